package engine

import (
	"testing"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"

	"skep/swarm/simulator"
)

func TestConfigs(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	made, err := r.ConfigCreate(t.Context(), swarm.ConfigSpec{Annotations: swarm.Annotations{Name: "c"}, Data: []byte("a")})
	if err != nil {
		t.Fatal(err)
	}
	config, _, err := r.ConfigInspectWithRaw(t.Context(), "c")
	if err != nil || config.ID != made.ID || string(config.Spec.Data) != "a" {
		t.Fatalf("the config is %+v, %v", config, err)
	}
	config.Spec.Labels = map[string]string{"k": "v"}
	if err := r.ConfigUpdate(t.Context(), "c", config.Version, config.Spec); err != nil {
		t.Error(err)
	}
	list, err := r.ConfigList(t.Context(), swarm.ConfigListOptions{Filters: filters.NewArgs(filters.Arg("label", "k=v"))})
	if err != nil || len(list) != 1 {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if err := r.ConfigRemove(t.Context(), made.ID[:9]); err != nil {
		t.Error(err)
	}
}

func TestSecretsKeepTheirData(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	made, err := r.SecretCreate(t.Context(), swarm.SecretSpec{Annotations: swarm.Annotations{Name: "s"}, Data: []byte("a")})
	if err != nil {
		t.Fatal(err)
	}
	for _, term := range []string{made.ID, "s", made.ID[:9]} {
		secret, _, err := r.SecretInspectWithRaw(t.Context(), term)
		if err != nil || secret.ID != made.ID || secret.Spec.Data != nil {
			t.Errorf("%s: the secret is %+v, %v", term, secret, err)
		}
	}
	list, err := r.SecretList(t.Context(), swarm.SecretListOptions{})
	if err != nil || len(list) != 1 || list[0].Spec.Data != nil {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if err := r.SecretUpdate(t.Context(), "s", list[0].Version, swarm.SecretSpec{Annotations: swarm.Annotations{Name: "s", Labels: map[string]string{"k": "v"}}}); err != nil {
		t.Error(err)
	}
	if err := r.SecretRemove(t.Context(), "s"); err != nil {
		t.Error(err)
	}
}

func TestNodes(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 3}, nil)
	workers, err := r.NodeList(t.Context(), swarm.NodeListOptions{Filters: filters.NewArgs(filters.Arg("role", "worker"))})
	if err != nil || len(workers) != 2 {
		t.Fatalf("the workers are %+v, %v", workers, err)
	}
	worker, _, err := r.NodeInspectWithRaw(t.Context(), workers[0].Description.Hostname)
	if err != nil || worker.ID != workers[0].ID {
		t.Fatalf("by its name, the node is %s, %v", worker.ID, err)
	}
	worker.Spec.Availability = swarm.NodeAvailabilityDrain
	worker.Spec.Labels = map[string]string{"k": "v"}
	if err := r.NodeUpdate(t.Context(), worker.ID, worker.Version, worker.Spec); err != nil {
		t.Error(err)
	}
	drained, err := r.NodeList(t.Context(), swarm.NodeListOptions{Filters: filters.NewArgs(filters.Arg("node.label", "k=v"))})
	if err != nil || len(drained) != 1 || drained[0].Spec.Availability != swarm.NodeAvailabilityDrain {
		t.Errorf("the drained nodes are %+v, %v", drained, err)
	}
	if err := r.NodeRemove(t.Context(), worker.ID, swarm.NodeRemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
}

func TestNetworks(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	for name, create := range map[string]network.CreateOptions{
		"shared": {Driver: "overlay", Attachable: true, Labels: map[string]string{"k": "v"}},
		"own":    {},
	} {
		if _, err := r.NetworkCreate(t.Context(), name, create); err != nil {
			t.Fatal(err)
		}
		if _, err := r.NetworkCreate(t.Context(), name, create); !cerrdefs.IsConflict(err) {
			t.Errorf("a second network %s: %v", name, err)
		}
	}
	list, err := r.NetworkList(t.Context(), network.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scopes := map[string]string{}
	for _, n := range list {
		scopes[n.Name] = n.Scope
	}
	for name, want := range map[string]string{
		"bridge": "local", "docker_gwbridge": "local", "host": "local", "none": "local", "own": "local", "ingress": "swarm", "shared": "swarm",
	} {
		if scopes[name] != want {
			t.Errorf("the scope of %s is %q, not %q", name, scopes[name], want)
		}
		delete(scopes, name)
	}
	if len(scopes) > 0 {
		t.Errorf("and there are %v", scopes)
	}
	shared, err := r.NetworkInspect(t.Context(), "shared", network.InspectOptions{})
	if err != nil || shared.Driver != "overlay" || !shared.Attachable || shared.Labels["k"] != "v" {
		t.Errorf("the network is %+v, %v", shared, err)
	}
	s := spec("web", 1)
	s.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "shared"}}
	id := r.create(s)
	if target := r.service(id).Spec.TaskTemplate.Networks[0].Target; target != shared.ID {
		t.Errorf("the service's network is %s, not %s", target, shared.ID)
	}
	if err := r.NetworkRemove(t.Context(), "shared"); err == nil {
		t.Error("a network was removed that a service uses")
	}
	if err := r.NetworkRemove(t.Context(), "own"); err != nil {
		t.Error(err)
	}
}

// The Swarm has a bridge and a host network of its own, for services; only who asks for that scope sees them.
func TestPredefinedNetworks(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	for scope, want := range map[string]string{"": "local", "local": "local", "swarm": "swarm"} {
		n, err := r.NetworkInspect(t.Context(), "host", network.InspectOptions{Scope: scope})
		if err != nil || n.Scope != want {
			t.Errorf("host of scope %q is %q, %v", scope, n.Scope, err)
		}
	}
}

func TestVolumes(t *testing.T) {
	r := simulate(t, simulator.Options{Nodes: 1}, nil)
	if _, _, body := r.ask(get, "/volumes", ""); body != `{"Volumes":[],"Warnings":null}`+"\n" {
		t.Errorf("no volumes are %s", body)
	}
	for range 2 { // the second finds it there
		v, err := r.VolumeCreate(t.Context(), volume.CreateOptions{Name: "data", Labels: map[string]string{"k": "v"}})
		if err != nil || v.Driver != "local" || v.Scope != "local" {
			t.Fatalf("the volume is %+v, %v", v, err)
		}
	}
	list, err := r.VolumeList(t.Context(), volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "k"))})
	if err != nil || len(list.Volumes) != 1 {
		t.Errorf("the list is %+v, %v", list, err)
	}
	if err := r.VolumeRemove(t.Context(), "data", false); err != nil {
		t.Error(err)
	}
	if _, err := r.VolumeInspect(t.Context(), "data"); !cerrdefs.IsNotFound(err) {
		t.Errorf("a removed volume: %v", err)
	}
}
