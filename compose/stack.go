package compose

import (
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
)

// Stack is a stack as a Swarm holds it, with what only a Compose file can say of it.
type Stack struct {
	// Name is the stack's: "" where nobody gave it one.
	Name     string
	Services []Service // in the order of their names
	Networks []Network // in the order of their keys, as are the others
	Volumes  []Volume
	Configs  []File
	Secrets  []File
	// Extensions are the file's own x-* keys.
	Extensions types.Extensions
	// Model is the file as Compose means it: canonical long forms, interpolated, merged; what the fates are asked about.
	// For a running stack it is the file that docker stack deploy would make that stack of.
	Model map[string]any
	// Places are where the keys of Model stand in the files that were given.
	Places Places
	// Findings are what reading brought to light.
	Findings []Finding
}

// Service is one of a stack's services.
type Service struct {
	// Key is what the file calls it; in a Swarm its name without the stack's.
	Key string
	// Spec is what docker stack deploy creates. Names of networks, configs and secrets stand in it as Swarm has them, and
	// no IDs. It has the labels that docker stack deploy sets.
	Spec swarm.ServiceSpec
	// File is all that Compose says; of a running service what a Compose file would say. Never nil.
	File *types.ServiceConfig
	// Triggers are those of one of Compose's jobs; nil for a service.
	Triggers *types.TriggerConfig
	// Job says that it is one of Compose's jobs.
	Job bool
}

// Network is one of a stack's networks.
type Network struct {
	Key      string
	Name     string // in the Swarm
	External bool
	Options  network.CreateOptions
}

// Volume is one of a stack's named volumes.
type Volume struct {
	Key      string
	Name     string // Docker's name for it
	External bool
	Driver   string // "" for local
	Options  map[string]string
	Labels   map[string]string
}

// File is one of a stack's configs or secrets.
type File struct {
	Key      string
	Name     string // in the Swarm
	External bool
	Data     []byte
	// Unknown says that the data is not known: a secret that a Swarm keeps, or one that is external.
	Unknown  bool
	Template string // the template driver, "golang"
	Driver   string // a secret's driver, which makes the data
	Labels   map[string]string
}

// Service returns the service of a key; nil for none.
func (s *Stack) Service(key string) *Service {
	for i := range s.Services {
		if s.Services[i].Key == key {
			return &s.Services[i]
		}
	}
	return nil
}
