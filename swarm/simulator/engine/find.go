package engine

import (
	"fmt"

	"github.com/docker/docker/errdefs"
	"github.com/moby/swarmkit/v2/api"
	"github.com/moby/swarmkit/v2/api/naming"
	"github.com/moby/swarmkit/v2/manager/state/store"
)

// kind is how the objects of one kind are found in the store.
type kind[T any] struct {
	noun string
	get  func(tx store.ReadTx, id string) *T
	list func(tx store.ReadTx, by store.By) ([]*T, error)
	name func(object *T) string
}

var (
	services = kind[api.Service]{"service", store.GetService, store.FindServices, func(s *api.Service) string {
		return s.Spec.Annotations.Name
	}}
	tasks   = kind[api.Task]{"task", store.GetTask, store.FindTasks, naming.Task}
	nodes   = kind[api.Node]{"node", store.GetNode, store.FindNodes, hostname}
	configs = kind[api.Config]{"config", store.GetConfig, store.FindConfigs, func(c *api.Config) string {
		return c.Spec.Annotations.Name
	}}
	secrets = kind[api.Secret]{"secret", store.GetSecret, store.FindSecrets, func(s *api.Secret) string {
		return s.Spec.Annotations.Name
	}}
	networks = kind[api.Network]{"network", store.GetNetwork, store.FindNetworks, func(n *api.Network) string {
		return n.Spec.Annotations.Name
	}}
)

// find returns the object of the full ID, or else that of the full name, or else the only one whose ID starts so.
func (k kind[T]) find(s *store.MemoryStore, term string) (*T, error) {
	var (
		found []*T
		err   error
	)
	s.View(func(tx store.ReadTx) {
		if object := k.get(tx, term); object != nil {
			found = []*T{object}
			return
		}
		if found, err = k.named(tx, term); err != nil || len(found) > 0 {
			return
		}
		found, err = k.list(tx, store.ByIDPrefix(term))
	})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, errdefs.NotFound(fmt.Errorf("%s %s not found", k.noun, term))
	case len(found) > 1:
		return nil, errdefs.InvalidParameter(fmt.Errorf("%s %s is ambiguous (%d matches found)", k.noun, term, len(found)))
	}
	return found[0], nil
}

// named returns the objects of a name. The store's own index ignores case.
func (k kind[T]) named(tx store.ReadTx, name string) ([]*T, error) {
	similar, err := k.list(tx, store.ByName(name))
	if err != nil {
		return nil, err
	}
	same := similar[:0]
	for _, object := range similar {
		if k.name(object) == name {
			same = append(same, object)
		}
	}
	return same, nil
}

// hostname is empty before a node has told it.
func hostname(n *api.Node) string {
	if n.Description == nil {
		return ""
	}
	return n.Description.Hostname
}
