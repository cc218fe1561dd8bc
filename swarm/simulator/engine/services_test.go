package engine

import (
	"errors"
	"strings"
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/swarm"
	"github.com/moby/swarmkit/v2/manager/state/store"

	"skep/swarm/simulator"
)

func TestServiceLifecycle(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 2}, nil)
	id := r.create(spec("web", 2))
	if tasks := r.running("web", 2); tasks[0].ServiceID != id {
		t.Errorf("a task is of service %s", tasks[0].ServiceID)
	}
	list, err := r.ServiceList(t.Context(), swarm.ServiceListOptions{Status: true, Filters: filters.NewArgs(filters.Arg("mode", "replicated"))})
	if err != nil || len(list) != 1 || list[0].ServiceStatus == nil || list[0].ServiceStatus.RunningTasks != 2 {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if list, err = r.ServiceList(t.Context(), swarm.ServiceListOptions{Filters: filters.NewArgs(filters.Arg("mode", "global"))}); err != nil || len(list) > 0 {
		t.Errorf("global services are %+v, %v", list, err)
	}

	service := r.service("web")
	changed := service.Spec
	changed.TaskTemplate.ContainerSpec.Image = "nginx:1.27-alpine"
	if _, err := r.ServiceUpdate(t.Context(), id, service.Version, changed, swarm.ServiceUpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ServiceUpdate(t.Context(), id, service.Version, changed, swarm.ServiceUpdateOptions{}); err == nil || !strings.Contains(err.Error(), "update out of sequence") {
		t.Errorf("an update of an old version: %v", err)
	}
	now := r.service(id[:8])
	if now.PreviousSpec == nil || now.Spec.TaskTemplate.ContainerSpec.Image != "nginx:1.27-alpine" {
		t.Errorf("updated, the service is %+v", now)
	}
	if _, err := r.ServiceUpdate(t.Context(), id, now.Version, now.Spec, swarm.ServiceUpdateOptions{Rollback: "previous"}); err != nil {
		t.Fatal(err)
	}
	if image := r.service(id).Spec.TaskTemplate.ContainerSpec.Image; image != "nginx:alpine" {
		t.Errorf("rolled back, the image is %s", image)
	}
	if err := r.ServiceRemove(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.ServiceInspectWithRaw(t.Context(), id, swarm.ServiceInspectOptions{}); !cerrdefs.IsNotFound(err) {
		t.Errorf("a removed service: %v", err)
	}
}

func TestServiceDefaults(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	id := r.create(spec("web", 1))
	if policy := r.service(id).Spec.UpdateConfig; policy != nil {
		t.Errorf("nobody wanted an update policy: %+v", policy)
	}
	service, _, err := r.ServiceInspectWithRaw(t.Context(), id, swarm.ServiceInspectOptions{InsertDefaults: true})
	if err != nil || service.Spec.UpdateConfig == nil || service.Spec.TaskTemplate.RestartPolicy == nil {
		t.Errorf("with defaults: %+v, %v", service.Spec, err)
	}
}

// Credentials outlive an update that has none.
func TestRegistryAuth(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	made, err := r.ServiceCreate(t.Context(), spec("web", 1), swarm.ServiceCreateOptions{EncodedRegistryAuth: "e30="})
	if err != nil {
		t.Fatal(err)
	}
	service := r.service(made.ID)
	if _, err := r.ServiceUpdate(t.Context(), made.ID, service.Version, service.Spec, swarm.ServiceUpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	var auth string
	r.sim.Store().View(func(tx store.ReadTx) {
		auth = store.GetService(tx, made.ID).Spec.Task.GetContainer().PullOptions.RegistryAuth
	})
	if auth != "e30=" {
		t.Errorf("the credentials are %q", auth)
	}
}

type noImages struct{ *simulator.Simulator }

func (noImages) Pullable(image string) error {
	if strings.Contains(image, "nope") {
		return errors.New("manifest unknown: manifest unknown")
	}
	return nil
}

func TestDigests(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, func(s *simulator.Simulator) Backend { return noImages{s} })
	var short, whole registry.DistributionInspect
	r.answer("/distribution/nginx/json", &short)
	r.answer("/distribution/docker.io/library/nginx:latest/json", &whole)
	if short.Descriptor.Digest == "" || short.Descriptor.Digest != whole.Descriptor.Digest {
		t.Errorf("one image has digests %s and %s", short.Descriptor.Digest, whole.Descriptor.Digest)
	}
	if _, err := r.DistributionInspect(t.Context(), "nope:1", ""); !cerrdefs.IsNotFound(err) || !strings.Contains(err.Error(), "manifest unknown") {
		t.Errorf("an image that is not there: %v", err)
	}
	// Before API 1.30 the Engine pins, since then the client.
	for path, want := range map[string]string{"/v1.29": "nginx:latest@" + short.Descriptor.Digest.String(), "/v1.30": "nginx"} {
		name := "web" + strings.ReplaceAll(path[2:], ".", "-")
		if status, _, body := r.ask(post, path+"/services/create", serviceJSON(name, "")); status != 201 || strings.Contains(body, "could not") {
			t.Fatal(status, body)
		}
		if image := r.service(name).Spec.TaskTemplate.ContainerSpec.Image; image != want {
			t.Errorf("API %s: the image is %s, not %s", path, image, want)
		}
	}
	_, _, body := r.ask(post, "/v1.29/services/create", `{"Name":"bad","TaskTemplate":{"ContainerSpec":{"Image":"nope"}}}`)
	if !strings.Contains(body, "could not be accessed on a registry") {
		t.Errorf("no warning of an image that is not there: %s", body)
	}
}

func TestTaskFilters(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 2}, nil)
	r.create(spec("one", 1))
	r.create(spec("two", 2))
	r.running("one", 1)
	task := r.running("two", 2)[0]
	for _, c := range []struct {
		key, value string
		want       int
	}{
		{"service", "two", 2},
		{"service", task.ServiceID[:10], 2},
		{"name", "one", 1},
		{"id", task.ID, 1},
		{"desired-state", "running", 3},
		{"desired-state", "shutdown", 0},
		{"_up-to-date", "true", 3},
		{"runtime", "plugin", 0},
	} {
		list, err := r.TaskList(t.Context(), swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg(c.key, c.value))})
		if err != nil || len(list) != c.want {
			t.Errorf("%s=%s: %d tasks, not %d: %v", c.key, c.value, len(list), c.want, err)
		}
	}
	onNode, err := r.TaskList(t.Context(), swarm.TaskListOptions{Filters: filters.NewArgs(filters.Arg("node", task.NodeID))})
	if err != nil || len(onNode) == 0 || len(onNode) == 3 && onNode[0].NodeID != task.NodeID {
		t.Errorf("of node %s: %d tasks, %v", task.NodeID, len(onNode), err)
	}
	if got, _, err := r.TaskInspectWithRaw(t.Context(), task.ID); err != nil || got.ID != task.ID {
		t.Errorf("task %s: %s, %v", task.ID, got.ID, err)
	}
}
