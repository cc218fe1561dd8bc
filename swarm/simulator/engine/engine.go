package engine

import (
	"context"
	"fmt"
	"net/http"

	dockerapi "github.com/docker/docker/api"
	"github.com/docker/docker/api/server"
	"github.com/docker/docker/api/server/middleware"
	"github.com/docker/docker/api/server/router"
	swarmrouter "github.com/docker/docker/api/server/router/swarm"
	systemrouter "github.com/docker/docker/api/server/router/system"
	daemonevents "github.com/docker/docker/daemon/events"
	"github.com/docker/docker/errdefs"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/state/store"

	"skep/swarm/simulator"
)

// Version is the release of the Docker Engine whose API this is.
const Version = "28.5.2"

// Backend is the Swarm behind the API.
type Backend interface {
	Store() *store.MemoryStore
	Control() api.ControlServer
	NodeID() string
	Dir() string
	Pullable(image string) error
	Output(taskID string) (lines []simulator.Line, more <-chan struct{}, ended bool)
	Kill(ctx context.Context, containerID string) bool
}

var (
	_ Backend                     = (*simulator.Simulator)(nil)
	_ swarmrouter.Backend         = (*engine)(nil)
	_ systemrouter.Backend        = (*engine)(nil)
	_ systemrouter.ClusterBackend = (*engine)(nil)
	_ systemrouter.StatusProvider = (*engine)(nil)
)

// engine is the daemon of one manager, as far as it is simulated.
type engine struct {
	Backend
	control api.ControlServer
	events  *daemonevents.Events
	nets    *hostNetworks
	volumes *volumes
}

// New returns the API as a handler. Docker events are recorded from now on, until ctx ends.
func New(ctx context.Context, backend Backend) (http.Handler, error) {
	versions, err := middleware.NewVersionMiddleware(Version, dockerapi.DefaultVersion, dockerapi.MinSupportedAPIVersion)
	if err != nil {
		return nil, err
	}
	happened := daemonevents.New()
	e := &engine{
		Backend: backend,
		control: backend.Control(),
		events:  happened,
		nets:    newHostNetworks(backend.NodeID()),
		volumes: newVolumes(backend.Dir(), happened),
	}
	if err := e.recordEvents(ctx); err != nil {
		return nil, err
	}
	s := &server.Server{}
	s.UseMiddleware(middleware.NewExperimentalMiddleware(false))
	s.UseMiddleware(*versions)
	return s.CreateMux(ctx,
		systemrouter.NewRouter(e, e, nil, func() map[string]bool { return nil }),
		swarmrouter.NewRouter(e),
		e.networkRoutes(),
		e.volumeRoutes(),
		e.containerRoutes(),
		e.imageRoutes(),
		notSimulated(), // last, for what nobody took
	), nil
}

// routes is a router without a life of its own.
type routes []router.Route

func (r routes) Routes() []router.Route { return r }

// notSimulated answers every call that no other router has. The Engine's server would say that there is no such page,
// which reads like a client's mistake.
func notSimulated() router.Router {
	var all routes
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		all = append(all, router.NewRoute(method, "/{path:.*}", refuse))
	}
	return all
}

func refuse(_ context.Context, _ http.ResponseWriter, r *http.Request, _ map[string]string) error {
	return unsimulated("%s %s is not simulated", r.Method, r.URL.Path)
}

// unsimulated is the error, of status 501, for what a simulator without containers cannot do.
func unsimulated(format string, args ...any) error {
	return errdefs.NotImplemented(fmt.Errorf(format+": the simulator has no containers", args...))
}
