package swarm

import (
	"context"
	"errors"
	"testing"

	"github.com/docker/docker/api/types/network"
)

// slowNetworks says to every creation of a network that another was faster, as Swarm words it.
type slowNetworks struct {
	*fakeSwarm
	says error
}

func (s slowNetworks) NetworkCreate(context.Context, string, network.CreateOptions) (network.CreateResponse, error) {
	return network.CreateResponse{}, s.says
}

// Two who make the first workload at once both need the network, and one of them makes it.
func TestNetworkThatAnotherMadeFirst(t *testing.T) {
	for says, fine := range map[string]bool{
		"rpc error: code = Unknown desc = name conflicts with an existing object": true,
		"network with name skep already exists":                                   true,
		"no address pool is left":                                                 false,
	} {
		e := &Engine{api: slowNetworks{says: errors.New(says)}}
		if err := e.ensureNetwork(t.Context(), NewMirror(testSealer(t)), "skep"); (err == nil) != fine {
			t.Errorf("%q: %v", says, err)
		}
	}
}
