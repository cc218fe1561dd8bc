package engine

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/docker/docker/api/server/httputils"
	"github.com/docker/docker/api/server/router"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/errdefs"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/state/store"
)

// containerRoutes show what of the Swarm's tasks is on this node as the containers that they would have.
func (e *engine) containerRoutes() router.Router {
	return routes{
		router.NewGetRoute("/containers/json", e.getContainers),
		router.NewGetRoute("/containers/{name:.*}/json", e.getContainer),
		router.NewPostRoute("/containers/{name:.*}/kill", e.postKill),
		router.NewPostRoute("/containers/{name:.*}/stop", e.postStop),
		router.NewDeleteRoute("/containers/{name:.*}", e.deleteContainer),
	}
}

// containers returns the node's tasks that have a container, youngest first.
func (e *engine) containers() []*api.Task {
	var found []*api.Task
	e.Store().View(func(tx store.ReadTx) {
		found, _ = store.FindTasks(tx, store.ByNodeID(e.NodeID())) // by node it cannot fail
	})
	found = slices.DeleteFunc(found, func(t *api.Task) bool { return containerID(t) == "" || t.Spec.GetContainer() == nil })
	slices.SortFunc(found, func(a, b *api.Task) int { return b.Meta.CreatedAt.Compare(a.Meta.CreatedAt) })
	return found
}

// findContainer returns the task of the container of that ID, name or, if there is only one, start of the ID.
func (e *engine) findContainer(term string) (*api.Task, error) {
	var similar []*api.Task
	for _, task := range e.containers() {
		switch id := containerID(task); {
		case id == term, containerName(task) == strings.TrimPrefix(term, "/"):
			return task, nil
		case term != "" && strings.HasPrefix(id, term):
			similar = append(similar, task)
		}
	}
	switch len(similar) {
	case 0:
		return nil, errdefs.NotFound(fmt.Errorf("No such container: %s", term)) //nolint:staticcheck // Docker's own words
	case 1:
		return similar[0], nil
	}
	return nil, errdefs.InvalidParameter(fmt.Errorf("multiple IDs found with provided prefix: %s", term))
}

func (e *engine) getContainers(_ context.Context, w http.ResponseWriter, r *http.Request, _ map[string]string) error {
	f, err := filters.FromJSON(r.URL.Query().Get("filters"))
	if err != nil {
		return err
	}
	if err := accept(f, "id", "name", "label", "status"); err != nil {
		return err
	}
	ended := httputils.BoolValue(r, "all") || f.Contains("status")
	list := []container.Summary{}
	for _, task := range e.containers() {
		c := summarize(task)
		if (ended || c.State == container.StateRunning) && f.Match("id", c.ID) && f.Match("name", containerName(task)) &&
			f.MatchKVList("label", c.Labels) && f.ExactMatch("status", c.State) {
			list = append(list, c)
		}
	}
	return httputils.WriteJSON(w, http.StatusOK, list)
}

func (e *engine) getContainer(_ context.Context, w http.ResponseWriter, _ *http.Request, vars map[string]string) error {
	task, err := e.findContainer(vars["name"])
	if err != nil {
		return err
	}
	return httputils.WriteJSON(w, http.StatusOK, inspect(task))
}

// deadly are the signals that end a container, with or without SIG before them.
var deadly = []string{"", "KILL", "TERM", "INT", "QUIT", "9", "15", "2", "3"}

func (e *engine) postKill(ctx context.Context, w http.ResponseWriter, r *http.Request, vars map[string]string) error {
	signal := r.URL.Query().Get("signal")
	if !slices.Contains(deadly, strings.TrimPrefix(strings.ToUpper(signal), "SIG")) {
		return unsimulated("a container that lives through signal %s is not simulated", signal)
	}
	task, err := e.findContainer(vars["name"])
	if err == nil && !e.Kill(ctx, containerID(task)) {
		err = errdefs.Conflict(fmt.Errorf("container %s is not running", containerID(task)))
	}
	if err != nil {
		return fmt.Errorf("cannot kill container: %s: %w", vars["name"], err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// postStop is as hard as kill. A container that has ended is as it should be.
func (e *engine) postStop(ctx context.Context, w http.ResponseWriter, _ *http.Request, vars map[string]string) error {
	task, err := e.findContainer(vars["name"])
	if err != nil {
		return err
	}
	if e.Kill(ctx, containerID(task)) {
		w.WriteHeader(http.StatusNoContent)
	} else {
		w.WriteHeader(http.StatusNotModified)
	}
	return nil
}

// deleteContainer ends a container that runs. One that has ended goes with its task, when Swarm forgets that.
func (e *engine) deleteContainer(ctx context.Context, w http.ResponseWriter, r *http.Request, vars map[string]string) error {
	task, err := e.findContainer(vars["name"])
	if err != nil {
		return err
	}
	if containerState(task) == container.StateRunning && !httputils.BoolValue(r, "force") {
		return errdefs.Conflict(fmt.Errorf("cannot remove container %q: container is running: "+
			"stop the container before removing or force remove", "/"+containerName(task)))
	}
	if !e.Kill(ctx, containerID(task)) {
		return unsimulated("removing the container of a task that has ended is not simulated")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
