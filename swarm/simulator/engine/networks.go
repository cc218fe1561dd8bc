package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/docker/docker/api/server/httputils"
	"github.com/docker/docker/api/server/router"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/daemon/cluster/convert"
	daemonnetwork "github.com/docker/docker/daemon/network"
	"github.com/docker/docker/errdefs"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/manager/state/store"
)

// predefinedLabel marks the Swarm's stand-ins for networks that each node has, which clients do not get to see.
const predefinedLabel = "com.docker.swarm.predefined"

// networkRoutes is the network router. The Engine's own would bring all of libnetwork with it.
func (e *engine) networkRoutes() router.Router {
	return routes{
		router.NewGetRoute("/networks", e.getNetworks),
		router.NewGetRoute("/networks/", e.getNetworks),
		router.NewGetRoute("/networks/{id:.+}", e.getNetwork),
		router.NewPostRoute("/networks/create", e.postNetwork),
		router.NewDeleteRoute("/networks/{id:.*}", e.deleteNetwork),
	}
}

func (e *engine) getNetworks(_ context.Context, w http.ResponseWriter, r *http.Request, _ map[string]string) error {
	f, err := filters.FromJSON(r.URL.Query().Get("filters"))
	if err != nil {
		return err
	}
	if err := network.ValidateFilters(f); err != nil {
		return err
	}
	list, err := e.swarmNetworks(false)
	if err != nil {
		return err
	}
	if list, err = daemonnetwork.FilterNetworks(append(list, e.nets.all()...), f); err != nil {
		return err
	}
	return httputils.WriteJSON(w, http.StatusOK, list)
}

func (e *engine) getNetwork(_ context.Context, w http.ResponseWriter, r *http.Request, vars map[string]string) error {
	found, err := e.findNetwork(vars["id"], r.URL.Query().Get("scope"))
	if err != nil {
		return err
	}
	return httputils.WriteJSON(w, http.StatusOK, found)
}

func (e *engine) postNetwork(_ context.Context, w http.ResponseWriter, r *http.Request, _ map[string]string) error {
	var create network.CreateRequest
	if err := httputils.ReadJSON(r, &create); err != nil {
		return err
	}
	id, err := e.createNetwork(create)
	if err != nil {
		return err
	}
	return httputils.WriteJSON(w, http.StatusCreated, network.CreateResponse{ID: id})
}

func (e *engine) deleteNetwork(_ context.Context, w http.ResponseWriter, _ *http.Request, vars map[string]string) error {
	found, err := e.findNetwork(vars["id"], "")
	if err != nil {
		return err
	}
	if found.Scope == "swarm" {
		_, err = call(e.control.RemoveNetwork, &api.RemoveNetworkRequest{NetworkID: found.ID})
	} else if err = e.nets.remove(found); err == nil {
		e.hostNetworkEvent(events.ActionDestroy, found)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (e *engine) hostNetworkEvent(action events.Action, n network.Inspect) {
	e.events.Log(action, events.NetworkEventType, events.Actor{
		ID:         n.ID,
		Attributes: map[string]string{"name": n.Name, "type": n.Driver},
	})
}

// swarmNetworks returns the Swarm's networks, and the predefined ones if hidden is wanted.
func (e *engine) swarmNetworks(hidden bool) ([]network.Inspect, error) {
	response, err := call(e.control.ListNetworks, &api.ListNetworksRequest{})
	if err != nil {
		return nil, err
	}
	result := []network.Inspect{}
	for _, n := range response.Networks {
		if hidden || n.Spec.Annotations.Labels[predefinedLabel] != "true" {
			result = append(result, convert.BasicNetworkFromGRPC(*n))
		}
	}
	return result, nil
}

// findNetwork returns the network of the full ID, or else of the name, or else the only one whose ID starts so. Who asks
// for scope swarm, as clients do for a service's networks, finds the predefined ones of the Swarm as well.
func (e *engine) findNetwork(term, scope string) (network.Inspect, error) {
	all, err := e.swarmNetworks(scope == "swarm")
	if err != nil {
		return network.Inspect{}, err
	}
	var named, similar []network.Inspect
	for _, n := range append(all, e.nets.all()...) {
		switch {
		case scope != "" && n.Scope != scope:
		case n.ID == term:
			return n, nil
		case n.Name == term:
			named = append(named, n)
		case strings.HasPrefix(n.ID, term):
			similar = append(similar, n)
		}
	}
	found, basis := named, "name"
	if len(named) == 0 {
		found, basis = similar, "ID prefix"
	}
	switch len(found) {
	case 0:
		return network.Inspect{}, errdefs.NotFound(fmt.Errorf("network %s not found", term))
	case 1:
		return found[0], nil
	}
	return network.Inspect{}, errdefs.InvalidParameter(
		fmt.Errorf("network %s is ambiguous (%d matches found based on %s)", term, len(found), basis))
}

// createNetwork returns the new network's ID. Its driver and scope say whether it is the Swarm's or the node's.
func (e *engine) createNetwork(create network.CreateRequest) (string, error) {
	if e.swarmHasNetwork(create.Name) {
		return "", errNetworkExists(create.Name)
	}
	if daemonnetwork.IsPredefined(create.Name) {
		return "", errdefs.Forbidden(fmt.Errorf("operation is not permitted on predefined %s network ", create.Name))
	}
	if err := network.ValidateIPAM(create.IPAM, create.EnableIPv6 != nil && *create.EnableIPv6); err != nil {
		return "", errdefs.InvalidParameter(err)
	}
	if strings.TrimSpace(create.Name) == "" {
		return "", errdefs.InvalidParameter(errors.New("invalid name: name is empty"))
	}
	if create.Driver == "" {
		create.Driver = daemonnetwork.DefaultNetwork
	}
	shared, err := ofSwarm(create)
	if err != nil {
		return "", err
	}
	if !shared {
		created, err := e.nets.create(create)
		if err == nil {
			e.hostNetworkEvent(events.ActionCreate, created)
		}
		return created.ID, err
	}
	spec := convert.BasicNetworkCreateToGRPC(create)
	response, err := call(e.control.CreateNetwork, &api.CreateNetworkRequest{Spec: &spec})
	if err != nil {
		return "", err
	}
	return response.Network.ID, nil
}

func (e *engine) swarmHasNetwork(name string) bool {
	var found []*api.Network
	e.Store().View(func(tx store.ReadTx) {
		found, _ = networks.named(tx, name) // by name it cannot fail
	})
	return len(found) > 0
}

// ofSwarm reports whether a network belongs to the Swarm, and not to the node alone.
func ofSwarm(create network.CreateRequest) (bool, error) {
	if create.ConfigOnly {
		return false, nil
	}
	switch create.Driver {
	case "overlay":
		if create.Scope == "local" {
			return false, errdefs.Forbidden(errors.New("cannot downgrade network scope for overlay networks"))
		}
		if create.EnableIPv4 != nil && !*create.EnableIPv4 {
			return false, errdefs.InvalidParameter(errors.New("IPv4 cannot be disabled in a Swarm scoped network"))
		}
		return true, nil
	case "host", "null":
		return false, errdefs.Forbidden(fmt.Errorf("only one instance of %q network is allowed", create.Driver))
	case "bridge", "ipvlan", "macvlan":
		if create.Ingress {
			return false, errdefs.Forbidden(errors.New("Ingress network can only be global scope network")) //nolint:staticcheck // Docker's own words
		}
		return create.Scope == "swarm", nil
	}
	return false, errdefs.NotFound(fmt.Errorf("plugin %q not found", create.Driver))
}
