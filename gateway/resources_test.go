package gateway

import (
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
)

// Every row that keeps objects has a lens of the kind that Kubernetes knows under that resource, converts
// both ways, and stands in the support table.
func TestResources(t *testing.T) {
	support, err := os.ReadFile("../docs/support.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[schema.GroupVersionResource]bool{}
	for _, r := range Resources {
		if seen[r.GVR] {
			t.Errorf("%v has two rows", r.GVR)
		}
		seen[r.GVR] = true
		if r.Lens == nil {
			continue
		}
		gvk := r.GVR.GroupVersion().WithKind(r.Lens.Kind())
		if !legacyscheme.Scheme.Recognizes(gvk) {
			t.Errorf("%v: Kubernetes has no %v", r.GVR, gvk)
			continue
		}
		if !strings.Contains(string(support), r.Lens.Kind()) {
			t.Errorf("docs/support.md says nothing of %s", r.Lens.Kind())
		}
		external, err := legacyscheme.Scheme.New(gvk)
		if err != nil {
			t.Fatal(err)
		}
		c := converter{r.GVR.GroupVersion()}
		object, err := c.ToExternal(external)
		if err != nil {
			t.Fatal(err)
		}
		object.SetName("x")
		internal, err := c.ToInternal(object)
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.ToExternal(internal)
		if err != nil || back.GetName() != "x" {
			t.Errorf("%v does not convert both ways: %v, %v", gvk, back, err)
		}
		if len(r.Lens.Groups()) == 0 || r.Backing == "" {
			t.Errorf("%v is backed by nothing", r.GVR)
		}
	}
}

func TestListenAddress(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:6443": "https://127.0.0.1:6443", ":6443": "https://127.0.0.1:6443", "0.0.0.0:1": "https://127.0.0.1:1",
		"[::1]:8443": "https://[::1]:8443", "host:6443": "https://host:6443",
	} {
		host, port, err := listenAddress(listen)
		if err != nil {
			t.Errorf("%s: %v", listen, err)
		} else if got := serverURL(host, port); got != want {
			t.Errorf("%s is reached at %s, want %s", listen, got, want)
		}
	}
	for _, bad := range []string{"", "127.0.0.1", "x:y", "x:0", "x:65536"} {
		if _, _, err := listenAddress(bad); err == nil || !strings.Contains(err.Error(), "--listen") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
