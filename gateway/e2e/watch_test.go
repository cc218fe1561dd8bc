package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// An informer lives through a restart of its gateway: what happened meanwhile is there, once.
func TestWatchAcrossRestart(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	g := another(t)
	s.applyText(idle("old") + "---" + idle("doomed"))

	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(s.through(g).client(), 0, s.ns, nil)
	informer := factory.ForResource(deployments).Informer()
	added, deleted := make(chan string, 100), make(chan string, 100)
	name := func(o any) string {
		key, _ := cache.DeletionHandlingMetaNamespaceKeyFunc(o)
		_, n, _ := strings.Cut(key, "/")
		return n
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { added <- name(o) },
		DeleteFunc: func(o any) { deleted <- name(o) },
	})
	if err != nil {
		t.Fatal(err)
	}
	factory.Start(t.Context().Done())
	if !cache.WaitForCacheSync(t.Context().Done(), informer.HasSynced) {
		t.Fatal("the informer does not come in step")
	}
	g.kill()
	s.applyText(idle("young"))
	s.kubectl("delete", "deployment", "doomed", "--timeout=30s")
	if err := g.launch(); err != nil {
		t.Fatal(err)
	}
	s.kubectl("scale", "deployment/old", "--replicas=1")
	eventually(t, 30*time.Second, func() error {
		o, ok, err := informer.GetStore().GetByKey(s.ns + "/old")
		if err != nil || !ok {
			return errors.Join(errors.New("old is gone"), err)
		}
		if n := desired(sighting{Event: watchEvent(o)}); n != 1 || len(informer.GetStore().List()) != 2 {
			return fmt.Errorf("old wants %d replicas, the informer knows %v", n, informer.GetStore().ListKeys())
		}
		return nil
	})
	counts := map[string]int{}
	for len(added) > 0 {
		counts["+"+<-added]++
	}
	for len(deleted) > 0 {
		counts["-"+<-deleted]++
	}
	want := map[string]int{"+old": 1, "+doomed": 1, "+young": 1, "-doomed": 1}
	if fmt.Sprint(counts) != fmt.Sprint(want) {
		t.Errorf("events are %v, want %v", counts, want)
	}
}

// kubectl get -w prints a row for each step of a Pod's life.
func TestKubectlWatch(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	cmd := exec.CommandContext(t.Context(), kubectlBin, s.args([]string{"get", "pods", "-w", "--no-headers"})...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rows := make(chan string, 100)
	go func() {
		for scan := bufio.NewScanner(out); scan.Scan(); {
			rows <- strings.Join(strings.Fields(scan.Text())[:3], " ")
		}
		close(rows)
	}()
	time.Sleep(500 * time.Millisecond) // the watch opens
	s.apply("pod")
	var seen []string
	await := func(want string) {
		t.Helper()
		for timeout := time.After(40 * time.Second); ; {
			select {
			case row, ok := <-rows:
				if seen = append(seen, row); row == want {
					return
				}
				if !ok {
					t.Fatalf("the watch ended; rows were %q", seen)
				}
			case <-timeout:
				t.Fatalf("no row says %q; rows were %q", want, seen)
			}
		}
	}
	await("welcome 0/1 ContainerCreating")
	await("welcome 1/1 Running")
	s.kubectl("delete", "pod", "welcome", "--timeout=30s")
	await("welcome 1/1 Terminating")
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// A bookmark, a resumed watch, and one from a version that is long gone.
func TestWatchVersions(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	client := s.client().Resource(configMaps).Namespace(s.ns)
	s.kubectl("create", "configmap", "one", "--from-literal=n=1")
	list, err := client.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.kubectl("create", "configmap", "two", "--from-literal=n=2")
	s.kubectl("delete", "configmap", "two")
	w, err := client.Watch(t.Context(), metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for _, want := range []string{"ADDED two", "DELETED two"} {
		select {
		case e := <-w.ResultChan():
			if got := string(e.Type) + " " + (sighting{Event: e}).object().GetName(); got != want {
				t.Errorf("the resumed watch says %s, want %s", got, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("the resumed watch does not say %s", want)
		}
	}

	// A gateway that was not there when it happened either knows it or says that the version is too old.
	s.kubectl("create", "configmap", "three", "--from-literal=n=3")
	if list, err = client.List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Fatal(err)
	}
	s.kubectl("delete", "configmap", "three")
	late := s.through(another(t))
	out := late.kubectl("get", "--raw", "/api/v1/namespaces/"+s.ns+"/configmaps?watch=1&timeoutSeconds=2&resourceVersion="+list.GetResourceVersion())
	if !strings.Contains(out, `"code":410`) && !strings.Contains(out, `"DELETED"`) {
		t.Errorf("a deletion is lost to a watch resumed on another gateway, which says %q", out)
	}
}
