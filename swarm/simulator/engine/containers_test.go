package engine

import (
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/swarm"

	"skep/swarm/simulator"
)

var (
	updateOptions = swarm.ServiceUpdateOptions{}
	nowhere       = &swarm.Placement{Constraints: []string{"node.hostname==nowhere"}}
)

func TestContainers(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	s := spec("web", 1)
	s.TaskTemplate.ContainerSpec.Labels = map[string]string{"k": "v"}
	s.TaskTemplate.ContainerSpec.Command = []string{"nginx"}
	s.TaskTemplate.ContainerSpec.Args = []string{"-q"}
	id := r.create(s)
	task := r.running(id, 1)[0]
	name := "web.1." + task.ID
	list, err := r.ContainerList(t.Context(), container.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", "com.docker.swarm.service.name=web"), filters.Arg("label", "k=v"))})
	if err != nil || len(list) != 1 {
		t.Fatalf("the list is %+v, %v", list, err)
	}
	c := list[0]
	if c.ID != task.Status.ContainerStatus.ContainerID || c.Names[0] != "/"+name || c.State != container.StateRunning ||
		c.Labels["com.docker.swarm.task.id"] != task.ID || c.Labels["com.docker.swarm.node.id"] != task.NodeID || c.Command != "nginx -q" {
		t.Errorf("the container is %+v", c)
	}
	for _, term := range []string{c.ID, c.ID[:12], name} {
		whole, err := r.ContainerInspect(t.Context(), term)
		if err != nil || whole.ID != c.ID || !whole.State.Running || whole.Config.Image != "nginx:alpine" || whole.Path != "nginx" {
			t.Errorf("%s is %+v, %v", term, whole, err)
		}
	}
	if err := r.ContainerRemove(t.Context(), c.ID, container.RemoveOptions{}); !cerrdefs.IsConflict(err) {
		t.Errorf("removed while it runs: %v", err)
	}
	if err := r.ContainerKill(t.Context(), c.ID, "HUP"); !cerrdefs.IsNotImplemented(err) {
		t.Errorf("a signal that does not kill: %v", err)
	}
	if err := r.ContainerKill(t.Context(), c.ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		whole, err := r.ContainerInspect(t.Context(), c.ID)
		return err == nil && whole.State.Status == container.StateExited && whole.State.ExitCode == 137
	})
	if err := r.ContainerKill(t.Context(), c.ID, "KILL"); !cerrdefs.IsConflict(err) {
		t.Errorf("killed twice: %v", err)
	}
	if err := r.ContainerStop(t.Context(), c.ID, container.StopOptions{}); err != nil {
		t.Errorf("stopped when it has ended: %v", err)
	}
	ended, err := r.ContainerList(t.Context(), container.ListOptions{Filters: filters.NewArgs(filters.Arg("status", "exited"))})
	if err != nil || len(ended) != 1 {
		t.Errorf("ended are %+v, %v", ended, err)
	}
	if again := r.running(id, 1)[0]; again.ID == task.ID {
		t.Error("a killed task runs")
	}
}

func TestNoImages(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	if list, err := r.ImageList(t.Context(), image.ListOptions{}); err != nil || len(list) > 0 {
		t.Errorf("the images are %+v, %v", list, err)
	}
	if _, err := r.ImageInspect(t.Context(), "nginx"); !cerrdefs.IsNotFound(err) {
		t.Errorf("an image: %v", err)
	}
}
