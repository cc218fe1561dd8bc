package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/api/server/httputils"
	"github.com/docker/docker/api/server/router"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"
	daemonevents "github.com/docker/docker/daemon/events"
	"github.com/docker/docker/errdefs"
)

const (
	localDriver     = "local"
	volumeNameChars = "[a-zA-Z0-9][a-zA-Z0-9_.-]"
)

var volumeName = regexp.MustCompile("^" + volumeNameChars + "+$")

// volumes are the local volumes of one node: what is known of them, without a place for data.
type volumes struct {
	mu     sync.Mutex
	root   string
	byName map[string]*volume.Volume
	events *daemonevents.Events
}

func newVolumes(root string, happened *daemonevents.Events) *volumes {
	return &volumes{root: root, byName: map[string]*volume.Volume{}, events: happened}
}

// tell makes the Docker event of a volume's beginning or end.
func (v *volumes) tell(action events.Action, name string) {
	v.events.Log(action, events.VolumeEventType, events.Actor{ID: name, Attributes: map[string]string{"driver": localDriver}})
}

func (e *engine) volumeRoutes() router.Router {
	return routes{
		router.NewGetRoute("/volumes", e.volumes.list),
		router.NewGetRoute("/volumes/{name:.*}", e.volumes.inspect),
		router.NewPostRoute("/volumes/create", e.volumes.create),
		router.NewDeleteRoute("/volumes/{name:.*}", e.volumes.remove),
	}
}

func (v *volumes) list(_ context.Context, w http.ResponseWriter, r *http.Request, _ map[string]string) error {
	f, err := filters.FromJSON(r.URL.Query().Get("filters"))
	if err != nil {
		return err
	}
	if err := accept(f, "name", "label", "driver", "dangling"); err != nil {
		return err
	}
	dangling, err := f.GetBoolOrDefault("dangling", true) // as all of them are
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	found := []*volume.Volume{}
	for _, name := range slices.Sorted(maps.Keys(v.byName)) {
		each := v.byName[name]
		if dangling && f.Match("name", name) && f.ExactMatch("driver", each.Driver) && f.MatchKVList("label", each.Labels) {
			found = append(found, each)
		}
	}
	return httputils.WriteJSON(w, http.StatusOK, volume.ListResponse{Volumes: found})
}

func (v *volumes) inspect(_ context.Context, w http.ResponseWriter, _ *http.Request, vars map[string]string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	found := v.byName[vars["name"]]
	if found == nil {
		return errNoVolume(vars["name"])
	}
	return httputils.WriteJSON(w, http.StatusOK, found)
}

// create is content with a volume that is there already.
func (v *volumes) create(_ context.Context, w http.ResponseWriter, r *http.Request, _ map[string]string) error {
	var request volume.CreateOptions
	if err := httputils.ReadJSON(r, &request); err != nil {
		return err
	}
	if request.ClusterVolumeSpec != nil {
		return unsimulated("a cluster volume is not simulated")
	}
	name, driver := cmp.Or(request.Name, anonymous()), cmp.Or(request.Driver, localDriver)
	if driver != localDriver {
		return errdefs.NotFound(fmt.Errorf("create %s: error looking up volume plugin %s: plugin %q not found", name, driver, driver))
	}
	if len(name) == 1 {
		return errdefs.InvalidParameter(fmt.Errorf("create %s: volume name is too short, names should be at least two alphanumeric characters", name))
	}
	if !volumeName.MatchString(name) {
		return errdefs.InvalidParameter(fmt.Errorf("create %s: %q includes invalid characters for a local volume name, only %q are allowed. "+
			"If you intended to pass a host directory, use absolute path", name, name, volumeNameChars))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.byName[name] == nil {
		v.byName[name] = &volume.Volume{
			Name:       name,
			Driver:     driver,
			Mountpoint: filepath.Join(v.root, "volumes", name, "_data"),
			Scope:      "local",
			CreatedAt:  time.Now().UTC().Format(time.RFC3339),
			Labels:     request.Labels,
			Options:    request.DriverOpts,
		}
		v.tell(events.ActionCreate, name)
	}
	return httputils.WriteJSON(w, http.StatusCreated, v.byName[name])
}

func (v *volumes) remove(_ context.Context, w http.ResponseWriter, r *http.Request, vars map[string]string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.byName[vars["name"]] == nil && !httputils.BoolValue(r, "force") {
		return errNoVolume(vars["name"])
	}
	if v.byName[vars["name"]] != nil {
		delete(v.byName, vars["name"])
		v.tell(events.ActionDestroy, vars["name"])
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func errNoVolume(name string) error {
	return errdefs.NotFound(fmt.Errorf("get %s: no such volume", name))
}

// anonymous is the name of a volume that was given none.
func anonymous() string {
	id := make([]byte, 32)
	_, _ = rand.Read(id) // crypto/rand does not fail
	return hex.EncodeToString(id)
}
