package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/yaml"
)

// idle is a Deployment without replicas: only the API is at work.
func idle(name string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  replicas: 0
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: main, image: "skep-test:v1"}]}
`, name)
}

func configMap(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": map[string]any{"n": "0"},
	}}
}

// parse reads a manifest of one object.
func parse(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &object.Object); err != nil {
		t.Error(err)
	}
	return object
}

// Twenty clients write one object at a time each in their own way, and nothing is lost.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(idle("shared"))
	s.kubectl("create", "configmap", "shared", "--from-literal=n=0")
	const clients = 20
	for kind, resource := range map[string]schema.GroupVersionResource{"deployment": deployments, "configmap": configMaps} {
		var wg sync.WaitGroup
		client := s.client().Resource(resource).Namespace(s.ns)
		for n := range clients {
			wg.Add(2)
			go func() { // a patch needs no version
				defer wg.Done()
				patch := fmt.Sprintf(`{"metadata":{"labels":{"client-%d":"here"}}}`, n)
				if _, err := client.Patch(t.Context(), "shared", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
					t.Errorf("%s: patch %d: %v", kind, n, err)
				}
			}()
			go func() { // an update does
				defer wg.Done()
				many := retry.DefaultRetry
				many.Steps, many.Cap = 200, 100*time.Millisecond
				err := retry.RetryOnConflict(many, func() error { return addOne(t.Context(), s, resource) })
				if err != nil {
					t.Errorf("%s: update %d: %v", kind, n, err)
				}
			}()
		}
		wg.Wait()
		object, err := client.Get(t.Context(), "shared", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		here := 0
		for label := range object.GetLabels() {
			if strings.HasPrefix(label, "client-") {
				here++
			}
		}
		if count := object.GetAnnotations()["count"]; here != clients || count != strconv.Itoa(clients) {
			t.Errorf("%s: of %d clients %d labels and a count of %s are left", kind, clients, here, count)
		}
	}
}

// addOne reads, adds one, writes.
func addOne(ctx context.Context, s *space, resource schema.GroupVersionResource) error {
	client := s.client().Resource(resource).Namespace(s.ns)
	object, err := client.Get(ctx, "shared", metav1.GetOptions{})
	if err != nil {
		return err
	}
	notes := object.GetAnnotations()
	if notes == nil {
		notes = map[string]string{}
	}
	n, _ := strconv.Atoi(notes["count"]) // none yet counts as 0
	notes["count"] = strconv.Itoa(n + 1)
	object.SetAnnotations(notes)
	_, err = client.Update(ctx, object, metav1.UpdateOptions{})
	return err
}

// A write on top of an old version is a conflict, whoever was faster.
func TestStaleUpdate(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(idle("stale"))
	s.kubectl("create", "configmap", "stale", "--from-literal=n=0")
	for _, object := range []string{"deployment/stale", "configmap/stale"} {
		old := s.kubectl("get", object, "-o", "yaml")
		s.kubectl("label", object, "newer=yes")
		contains(t, s.refused(old, "replace", "-f", "-"), "Conflict", "the object has been modified")
	}
	old := s.kubectl("get", "deployment/stale", "-o", "yaml")
	s.docker("service", "update", "-d", "--label-add", "by=docker", s.ns+"_stale")
	contains(t, s.refused(old, "replace", "-f", "-"), "the object has been modified")
}

// Two gateways on one Swarm agree.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	b := s.through(another(t))
	seen := b.watch(deployments)

	s.applyText(idle("both"))
	at := seen.await(5*time.Second, "that the other gateway created both", func(e sighting) bool { return e.object().GetName() == "both" })
	t.Logf("seen through the other gateway %v ago", time.Since(at))
	old := s.kubectl("get", "deployment", "both", "-o", "yaml")
	b.waitField(time.Second, "deployment/both", ".metadata.uid", s.field("deployment/both", ".metadata.uid"))
	b.kubectl("scale", "deployment/both", "--replicas=1")
	contains(t, s.refused(old, "replace", "-f", "-"), "the object has been modified")
	s.waitField(2*time.Second, "deployment/both", ".spec.replicas", "1")

	s.kubectl("create", "secret", "generic", "sealed", "--from-literal=k=v")
	b.waitField(2*time.Second, "secret/sealed", ".data.k", "dg==")
	s.kubectl("rollout", "status", "deployment/both", "--timeout=60s")
	for _, path := range []string{".metadata.resourceVersion", ".metadata.generation", ".status"} {
		eventually(t, 5*time.Second, func() error {
			if x, y := s.field("deployment/both", path), b.field("deployment/both", path); x != y {
				return fmt.Errorf("%s is %s through one and %s through the other", path, x, y)
			}
			return nil
		})
	}
	b.kubectl("delete", "deployment", "both", "--timeout=30s")
	eventually(t, 2*time.Second, func() error {
		if _, err := s.try("get", "deployment", "both"); err == nil {
			return fmt.Errorf("deleted through one gateway, still there through the other")
		}
		return nil
	})
}

// kill -9 in the middle of 100 writes; the next gateway shows exactly what Swarm has, and all that was acknowledged.
func TestKilledGateway(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	doomed := another(t)
	client := s.through(doomed).client()

	const writes = 100
	acknowledged := make(chan string, writes)
	go func() {
		defer close(acknowledged)
		var wg sync.WaitGroup
		for n := range writes {
			wg.Add(1)
			go func() {
				defer wg.Done()
				name := fmt.Sprintf("w%03d", n)
				kind, object := configMaps, configMap(name)
				if n%2 == 0 {
					kind, object = deployments, parse(t, idle(name))
				}
				if _, err := client.Resource(kind).Namespace(s.ns).Create(t.Context(), object, metav1.CreateOptions{}); err == nil {
					acknowledged <- name
				}
			}()
			time.Sleep(5 * time.Millisecond)
		}
		wg.Wait()
	}()
	var known []string
	for name := range acknowledged {
		if known = append(known, name); len(known) == writes/3 {
			doomed.kill()
		}
	}
	if len(known) == writes {
		t.Log("all writes were faster than the kill")
	}
	if err := doomed.launch(); err != nil {
		t.Fatal(err)
	}

	after := s.through(doomed)
	have := map[string]bool{}
	for _, name := range strings.Fields(after.kubectl("get", "deploy,cm", "-o", "jsonpath={.items[*].metadata.name}")) {
		have[name] = true
	}
	for _, name := range known {
		if !have[name] {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	var listed []string
	for _, name := range strings.Fields(after.kubectl("get", "deploy", "--sort-by=.metadata.name", "-o", "jsonpath={.items[*].metadata.name}")) {
		listed = append(listed, s.ns+"_"+name)
	}
	if got, want := strings.Join(listed, " "), strings.Join(s.services(), " "); got != want {
		t.Errorf("skep lists %s\nSwarm has  %s", got, want)
	}
	t.Logf("%d of %d writes acknowledged, %d objects listed", len(known), writes, len(have))
	for range 2 {
		_, err := after.client().Resource(configMaps).Namespace(s.ns).Create(t.Context(), configMap("again"), metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Errorf("the gateway does not write after its restart: %v", err)
		}
	}
}

// A gateway that comes later knows of what is gone: it shows no object older than others did.
func TestLateGateway(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	s.applyText(idle("late"))
	s.kubectl("scale", "deployment/late", "--replicas=3")
	s.kubectl("rollout", "status", "deployment/late", "--timeout=60s")
	s.kubectl("scale", "deployment/late", "--replicas=1")
	eventually(t, 30*time.Second, func() error {
		if left := strings.Fields(s.docker("service", "ps", "-q", s.ns+"_late")); len(left) != 1 {
			return fmt.Errorf("of one replica there are %d tasks", len(left))
		}
		return nil
	})
	s.waitField(5*time.Second, "deployment/late", ".status.replicas", "1")
	time.Sleep(time.Second) // both see the last of it
	version := func(s *space, object string) int {
		n, err := strconv.Atoi(s.field(object, ".metadata.resourceVersion"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	set := s.kubectl("get", "replicaset", "-o", "name")
	before := []int{version(s, "deployment/late"), version(s, strings.TrimSpace(set))}
	b := s.through(another(t))
	after := []int{version(b, "deployment/late"), version(b, strings.TrimSpace(set))}
	if after[0] < before[0] || after[1] < before[1] {
		t.Errorf("the resourceVersions of Deployment and ReplicaSet were %d, and are %d through a gateway that came later", before, after)
	}
}

// What a resourceVersion begins with is Swarm's own version of the object, also right after something was removed. It
// runs alone: what others do would hide a gateway that counts ahead.
func TestVersionIsSwarms(t *testing.T) {
	s := newSpace(t)
	s.applyText(idle("counted"))
	for i := range 5 {
		s.kubectl("create", "configmap", "brief")
		s.kubectl("delete", "configmap", "brief")
		s.kubectl("label", "--overwrite", "deployment/counted", fmt.Sprint("n=", i))
		version, err := strconv.Atoi(s.field("deployment/counted", ".metadata.resourceVersion"))
		if err != nil {
			t.Fatal(err)
		}
		if have := strings.TrimSpace(s.docker("service", "inspect", "-f", "{{.Version.Index}}", s.ns+"_counted")); strconv.Itoa(version/1_000_000) != have {
			t.Errorf("the Deployment has the resourceVersion %d, its service the version %s", version, have)
		}
	}
}
