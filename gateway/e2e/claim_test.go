package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// bound waits until a claim is bound, and returns its PersistentVolume.
func (s *space) bound(claim string) string {
	s.t.Helper()
	s.waitField(30*time.Second, "pvc/"+claim, ".status.phase", "Bound")
	return s.field("pvc/"+claim, ".spec.volumeName")
}

// volumes are the Docker volumes of the space's claims on the manager's node.
func (s *space) volumes() []string {
	s.t.Helper()
	return strings.Fields(s.docker("volume", "ls", "-q", "--filter", "label=com.docker.stack.namespace="+s.ns))
}

// The book's walk: what a Pod writes into its claim, the next Pod reads.
func TestClaimWalk(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.apply("claim")
	if got := s.field("pvc/my-data-claim", ".status.phase"); got != "Pending" {
		t.Errorf("a claim without a Pod is %q", got)
	}
	contains(t, s.kubectl("get", "storageclass"), "local (default)", "WaitForFirstConsumer")
	s.apply("claim-pod")
	s.kubectl("wait", "--for=condition=Ready", "pod/web-pod", "--timeout=60s")
	pv := s.bound("my-data-claim")
	s.inContainer("web-pod", "sh", "-c", "echo 'some data' > /data/sample.txt")
	s.kubectl("delete", "pod", "web-pod", "--timeout=30s")
	s.apply("claim-pod")
	s.kubectl("wait", "--for=condition=Ready", "pod/web-pod", "--timeout=60s")
	if got := s.inContainer("web-pod", "cat", "/data/sample.txt"); got != "some data" {
		t.Errorf("the next Pod reads %q", got)
	}
	volume := s.ns + "_my-data-claim"
	if got := s.volumes(); !slices.Equal(got, []string{volume}) {
		t.Errorf("Docker's volumes are %q", got)
	}

	// A claim in use waits for its Pod, and its data goes with it.
	s.kubectl("delete", "pvc", "my-data-claim", "--wait=false")
	if s.field("pvc/my-data-claim", ".metadata.deletionTimestamp") == "" {
		t.Error("the claim in use is not waiting to be deleted")
	}
	if got := s.inContainer("web-pod", "cat", "/data/sample.txt"); got != "some data" {
		t.Errorf("while its claim waits, the Pod reads %q", got)
	}
	s.kubectl("delete", "pod", "web-pod", "--timeout=30s")
	s.kubectl("wait", "--for=delete", "pvc/my-data-claim", "--timeout=60s")
	s.kubectl("wait", "--for=delete", "pv/"+pv, "--timeout=60s")
	if got := s.volumes(); len(got) > 0 {
		t.Errorf("Docker still has %q", got)
	}
}

// A claim keeps its Pods where its volume is, and that restarts nothing and shows nowhere.
func TestClaimPins(t *testing.T) {
	t.Parallel()
	needStage(t)
	s := newSpace(t)
	args := append([]string{"-c", `exec "$0" "$@" 2>&1`, kubectlBin}, s.args([]string{"apply", "-f", "-"})...)
	warned, err := run(t.Context(), s.manifest("claim"), "sh", args...)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, warned, "Warning:", "may fill the disk")
	s.apply("claim-deployment")
	s.waitRunning("app=keeper", 2)
	pv := s.bound("my-data-claim")
	host := s.field("pv/"+pv, ".spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]")
	service := s.ns + "_keeper"
	eventually(t, 30*time.Second, func() error {
		if got := s.docker("service", "inspect", "-f", "{{.Spec.TaskTemplate.Placement.Constraints}}", service); !strings.Contains(got, host) || host == "" {
			return fmt.Errorf("the constraints are %s and not %q", got, host)
		}
		return nil
	})
	if got := s.field("deploy/keeper", ".spec.template.spec.nodeSelector") + s.field("deploy/keeper", ".spec.template.spec.affinity"); got != "" {
		t.Errorf("the Deployment asks for nodes: %s", got)
	}
	tasks := s.running(service)
	s.kubectlIn(s.kubectl("get", "deploy", "keeper", "-o", "yaml"), "apply", "-f", "-")
	s.kubectl("annotate", "deploy/keeper", "note=hello")
	if after := s.running(service); !slices.Equal(tasks, after) {
		t.Errorf("the tasks were %v and are %v", tasks, after)
	}
	s.kubectl("set", "env", "deploy/keeper", "ROUND=2")
	s.kubectl("rollout", "status", "deploy/keeper", "--timeout=90s")
	contains(t, s.docker("service", "inspect", "-f", "{{.Spec.TaskTemplate.Placement.Constraints}}", service), host)
}

// A Pod waits for the claim that it names, and says so.
func TestClaimComesLate(t *testing.T) {
	t.Parallel()
	needStage(t)
	s := newSpace(t)
	s.apply("claim-pod")
	eventually(t, 30*time.Second, func() error {
		if events := s.kubectl("get", "events"); !strings.Contains(events, `persistentvolumeclaim "my-data-claim" not found`) {
			return fmt.Errorf("no Event says what the Pod waits for:\n%s", events)
		}
		return nil
	})
	if got := s.field("pod/web-pod", ".status.phase"); got != "Pending" {
		t.Errorf("without its claim the Pod is %q", got)
	}
	s.apply("claim")
	s.kubectl("wait", "--for=condition=Ready", "pod/web-pod", "--timeout=60s")
	s.bound("my-data-claim")
}

// What Docker made shows as a PersistentVolume and can be claimed by its name; what a claim that was kept had is kept.
func TestClaimDockerVolume(t *testing.T) {
	t.Parallel()
	needStage(t)
	s := newSpace(t)
	volume := s.ns + "-legacy"
	s.docker("volume", "create", volume)
	t.Cleanup(func() {
		_, _ = run(context.Background(), "", "docker", "-H", s.dockerHost, "volume", "rm", "-f", volume)
	})
	var pv string
	eventually(t, 30*time.Second, func() error {
		for _, name := range strings.Fields(s.kubectl("get", "pv", "-o", "jsonpath={.items[*].metadata.name}")) {
			if strings.HasPrefix(name, volume+".") {
				pv = name
				return nil
			}
		}
		return fmt.Errorf("no PersistentVolume shows the Docker volume %s", volume)
	})
	contains(t, s.refused("", "delete", "pv", pv, "--wait=false"), "docker volume rm "+volume)
	s.applyText(fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: my-data-claim}
spec: {accessModes: [ReadWriteOnce], volumeName: %s, resources: {requests: {storage: 1Gi}}}
`, pv))
	if got := s.bound("my-data-claim"); got != pv {
		t.Errorf("the claim got %q", got)
	}
	s.apply("claim-pod")
	s.kubectl("wait", "--for=condition=Ready", "pod/web-pod", "--timeout=60s")
	if got := s.docker("service", "inspect", "-f", "{{(index .Spec.TaskTemplate.ContainerSpec.Mounts 0).Source}}", s.ns+"_pod_web-pod"); got != volume {
		t.Errorf("the Pod mounts %q", got)
	}
	s.kubectl("delete", "pod", "web-pod", "--timeout=30s")
	s.kubectl("delete", "pvc", "my-data-claim", "--timeout=30s")
	s.waitField(30*time.Second, "pv/"+pv, ".status.phase", "Released")
	contains(t, s.docker("volume", "ls", "-q"), volume)
	s.kubectl("delete", "pv", pv, "--wait=false")
}

// A claim grows, and not back; one of Retain leaves its PersistentVolume.
func TestClaimGrowsAndIsKept(t *testing.T) {
	t.Parallel()
	needStage(t)
	s := newSpace(t)
	class := s.ns
	s.applyText(fmt.Sprintf(`
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: %s}
provisioner: docker-volume.skep.io
reclaimPolicy: Retain
allowVolumeExpansion: true
`, class))
	t.Cleanup(func() { _, _ = s.try("delete", "storageclass", class) })
	s.applyText(fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: grows}
spec: {accessModes: [ReadWriteOnce], storageClassName: %s, resources: {requests: {storage: 1Gi}}}
`, class))
	pv := s.bound("grows") // at once: the class does not wait for a Pod
	t.Cleanup(func() { _, _ = s.try("delete", "pv", pv, "--wait=false") })
	s.kubectl("patch", "pvc", "grows", "-p", `{"spec":{"resources":{"requests":{"storage":"3Gi"}}}}`)
	s.waitField(30*time.Second, "pvc/grows", ".status.capacity.storage", "3Gi")
	s.waitField(30*time.Second, "pv/"+pv, ".spec.capacity.storage", "3Gi")
	contains(t, s.refused("", "patch", "pvc", "grows", "-p", `{"spec":{"resources":{"requests":{"storage":"1Gi"}}}}`), "can not be less than")
	s.kubectl("delete", "pvc", "grows", "--timeout=30s")
	s.waitField(30*time.Second, "pv/"+pv, ".status.phase", "Released")
}

// An ephemeral volume has its claim and its Docker volume while its Pod is there.
func TestEphemeralVolume(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.apply("ephemeral")
	s.kubectl("wait", "--for=condition=Ready", "pod/scratched", "--timeout=60s")
	s.bound("scratched-scratch")
	if got := s.volumes(); !slices.Equal(got, []string{s.ns + "_scratched-scratch"}) {
		t.Errorf("Docker's volumes are %q", got)
	}
	s.kubectl("delete", "pod", "scratched", "--timeout=30s")
	eventually(t, 60*time.Second, func() error {
		if got := s.volumes(); len(got) > 0 {
			return fmt.Errorf("Docker still has %q", got)
		}
		return nil
	})
	if got := s.kubectl("get", "pvc", "-o", "name"); got != "" {
		t.Errorf("there still is %s", got)
	}
}
