package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/docker/cli/cli/compose/convert"
	"github.com/docker/cli/cli/compose/loader"
	composetypes "github.com/docker/cli/cli/compose/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// dockerDeployment is what docker stack deploy would create of a file, by Docker's own code.
type dockerDeployment struct {
	services map[string]swarm.ServiceSpec
	networks map[string]network.CreateOptions
	configs  []swarm.ConfigSpec
	secrets  []swarm.SecretSpec
}

// dockerDeploy reads a file as docker stack deploy does. A file that it does not take is an error.
func dockerDeploy(file, stack string) (*dockerDeployment, error) {
	doc, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	model, err := loader.ParseYAML(doc)
	if err != nil {
		return nil, err
	}
	config, err := loader.Load(composetypes.ConfigDetails{
		WorkingDir:  filepath.Dir(file),
		ConfigFiles: []composetypes.ConfigFile{{Filename: file, Config: model}},
		Environment: map[string]string{},
	})
	if err != nil {
		return nil, err
	}
	d, namespace := &dockerDeployment{}, convert.NewNamespace(stack)
	used := map[string]struct{}{}
	for _, s := range config.Services {
		if len(s.Networks) == 0 {
			used["default"] = struct{}{}
		}
		for name := range s.Networks {
			used[name] = struct{}{}
		}
	}
	d.networks, _ = convert.Networks(namespace, config.Networks, used)
	if d.configs, err = convert.Configs(namespace, config.Configs); err != nil {
		return nil, err
	}
	if d.secrets, err = convert.Secrets(namespace, config.Secrets); err != nil {
		return nil, err
	}
	d.services, err = convert.Services(context.Background(), namespace, config, anything{})
	return d, err
}

// anything is an Engine that has every config and secret; their IDs are their names.
type anything struct{ client.APIClient }

func (anything) ClientVersion() string { return "1.41" }

func (anything) ConfigList(_ context.Context, o swarm.ConfigListOptions) (all []swarm.Config, err error) {
	for _, name := range o.Filters.Get("name") {
		all = append(all, swarm.Config{ID: name, Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name}}})
	}
	return all, nil
}

func (anything) SecretList(_ context.Context, o swarm.SecretListOptions) (all []swarm.Secret, err error) {
	for _, name := range o.Filters.Get("name") {
		all = append(all, swarm.Secret{ID: name, Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name}}})
	}
	return all, nil
}

// engine is a Swarm that runs what was deployed, and answers as an Engine does.
type engine struct {
	services []swarm.Service
	configs  []swarm.Config
	secrets  []swarm.Secret
	networks []network.Summary
	volumes  []*volume.Volume
}

func (e *engine) SwarmInspect(context.Context) (swarm.Swarm, error) {
	return swarm.Swarm{ClusterInfo: swarm.ClusterInfo{DefaultAddrPool: []string{"10.0.0.0/8"}, SubnetSize: 24}}, nil
}

func (e *engine) ServiceList(context.Context, swarm.ServiceListOptions) ([]swarm.Service, error) {
	return e.services, nil
}

func (e *engine) ConfigList(context.Context, swarm.ConfigListOptions) ([]swarm.Config, error) {
	return e.configs, nil
}

func (e *engine) SecretList(context.Context, swarm.SecretListOptions) ([]swarm.Secret, error) {
	return e.secrets, nil
}

func (e *engine) NetworkList(context.Context, network.ListOptions) ([]network.Summary, error) {
	return e.networks, nil
}

func (e *engine) VolumeList(context.Context, volume.ListOptions) (volume.ListResponse, error) {
	return volume.ListResponse{Volumes: e.volumes}, nil
}

// deploy has the engine run what docker stack deploy creates.
func (e *engine) deploy(d *dockerDeployment) {
	networks := map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(d.networks)) {
		o := d.networks[name]
		id := fmt.Sprintf("net%d%s", i, name)
		networks[name] = id
		subnet := fmt.Sprintf("10.0.%d.0/24", i+1)
		if o.IPAM != nil && len(o.IPAM.Config) > 0 {
			subnet = o.IPAM.Config[0].Subnet
		}
		options := map[string]string{"com.docker.network.driver.overlay.vxlanid_list": fmt.Sprint(4097 + i)}
		maps.Copy(options, o.Options)
		driver := o.Driver
		if driver == "" {
			driver = "overlay"
		}
		e.networks = append(e.networks, network.Summary{
			ID: id, Name: name, Scope: "swarm", Driver: driver, Internal: o.Internal, Attachable: o.Attachable, Labels: o.Labels,
			Options: options, IPAM: network.IPAM{Driver: "default", Config: []network.IPAMConfig{{Subnet: subnet, Gateway: "10.0.0.1"}}},
		})
	}
	for i, c := range d.configs {
		e.configs = append(e.configs, swarm.Config{ID: fmt.Sprint("config", i), Spec: c})
	}
	for i, c := range d.secrets {
		c.Data = nil
		e.secrets = append(e.secrets, swarm.Secret{ID: fmt.Sprint("secret", i), Spec: c})
	}
	for i, name := range slices.Sorted(maps.Keys(d.services)) {
		spec := readBack(d.services[name])
		for at := range spec.TaskTemplate.Networks {
			n := &spec.TaskTemplate.Networks[at]
			if id := networks[n.Target]; id != "" {
				n.Target = id
			}
		}
		e.services = append(e.services, swarm.Service{ID: fmt.Sprint("service", i), Spec: spec})
	}
}

// readBack is a spec as the Engine gives it back (moby, daemon/cluster/convert): with its defaults, and the image pinned.
func readBack(sent swarm.ServiceSpec) swarm.ServiceSpec {
	doc, err := json.Marshal(sent)
	if err != nil {
		panic(err)
	}
	var spec swarm.ServiceSpec
	if err := json.Unmarshal(doc, &spec); err != nil {
		panic(err)
	}
	c := spec.TaskTemplate.ContainerSpec
	if name, tag, _ := strings.Cut(c.Image, "@"); tag == "" && name != "" && !strings.HasSuffix(name, ":") { // what is no name, nothing pins
		if at := strings.LastIndexByte(name, ':'); at < strings.LastIndexByte(name, '/') || at < 0 {
			name += ":latest"
		}
		c.Image = name + "@sha256:" + strings.Repeat("0a", 32)
	}
	spec.TaskTemplate.Runtime = swarm.RuntimeContainer
	if c.Isolation == "" {
		c.Isolation = container.IsolationDefault
	}
	for i := range c.Mounts {
		if o := c.Mounts[i].BindOptions; o != nil && o.Propagation == "" {
			o.Propagation = mount.PropagationRPrivate
		}
	}
	if p := spec.TaskTemplate.RestartPolicy; p != nil {
		if p.Condition == "" {
			p.Condition = swarm.RestartPolicyConditionAny
		}
		if p.MaxAttempts == nil {
			p.MaxAttempts = new(uint64(0))
		}
	}
	for _, u := range []*swarm.UpdateConfig{spec.UpdateConfig, spec.RollbackConfig} {
		if u == nil {
			continue
		}
		if u.FailureAction == "" {
			u.FailureAction = swarm.UpdateFailureActionPause
		}
		if u.Order == "" {
			u.Order = swarm.UpdateOrderStopFirst
		}
	}
	if spec.EndpointSpec.Mode == "" {
		spec.EndpointSpec.Mode = swarm.ResolutionModeVIP
	}
	for i := range spec.EndpointSpec.Ports {
		p := &spec.EndpointSpec.Ports[i]
		if p.PublishMode == "" {
			p.PublishMode = swarm.PortConfigPublishModeIngress
		}
		if p.Protocol == "" {
			p.Protocol = swarm.PortConfigProtocolTCP
		}
	}
	if m := spec.Mode.Replicated; m != nil && m.Replicas == nil {
		m.Replicas = new(uint64(1))
	}
	if m := spec.Mode.ReplicatedJob; m != nil {
		if m.MaxConcurrent == nil {
			m.MaxConcurrent = new(uint64(1))
		}
		if m.TotalCompletions == nil {
			m.TotalCompletions = new(uint64(1))
		}
	}
	if spec.TaskTemplate.Placement == nil {
		spec.TaskTemplate.Placement = &swarm.Placement{}
	}
	spec.TaskTemplate.Placement.Platforms = []swarm.Platform{{Architecture: "amd64", OS: "linux"}} // the image's
	return spec
}

// plainSpec is a spec as a tree in which what is empty, and what the Engine would fill in, is left out.
func plainSpec(t *testing.T, spec swarm.ServiceSpec) any {
	t.Helper()
	spec = readBack(spec)
	c := spec.TaskTemplate.ContainerSpec
	slices.SortFunc(c.Secrets, func(a, b *swarm.SecretReference) int {
		return strings.Compare(a.SecretName+a.File.Name, b.SecretName+b.File.Name)
	})
	for _, ref := range c.Secrets {
		ref.SecretID = ""
	}
	for _, ref := range c.Configs {
		ref.ConfigID = ""
	}
	slices.SortFunc(c.Configs, func(a, b *swarm.ConfigReference) int {
		return strings.Compare(fmt.Sprint(a.ConfigName, a.File), fmt.Sprint(b.ConfigName, b.File))
	})
	doc, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(doc, &tree); err != nil {
		t.Fatal(err)
	}
	return pruned(tree)
}

// pruned drops nulls, and lists and maps of nothing.
func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if value = pruned(value); value == nil {
				delete(v, key)
			} else {
				v[key] = value
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
		for i := range v {
			v[i] = pruned(v[i])
		}
	}
	return v
}

// differences are the paths at which two trees are not the same, with both values.
func differences(path string, a, b any) []string {
	am, aMap := a.(map[string]any)
	bm, bMap := b.(map[string]any)
	if aMap && bMap {
		var out []string
		all := maps.Clone(am)
		maps.Copy(all, bm)
		for _, key := range slices.Sorted(maps.Keys(all)) {
			out = append(out, differences(path+"."+key, am[key], bm[key])...)
		}
		return out
	}
	al, aList := a.([]any)
	bl, bList := b.([]any)
	if aList && bList && len(al) == len(bl) {
		var out []string
		for i := range al {
			out = append(out, differences(fmt.Sprintf("%s[%d]", path, i), al[i], bl[i])...)
		}
		return out
	}
	if reflect.DeepEqual(a, b) {
		return nil
	}
	show := func(v any) string {
		doc, _ := json.Marshal(v)
		return string(doc)
	}
	return []string{fmt.Sprintf("%s: %s, was %s", strings.TrimPrefix(path, "."), show(b), show(a))}
}

// filesToTry are the stack and Compose files that there are to try: our own, and those of others where they are.
func filesToTry(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, dir := range []string{"../testdata/stacks", "../testdata/compose", "/work/shared/compose/stacks"} {
		if _, err := os.Stat(dir); err != nil {
			t.Logf("%s is not here: its files are not tried", dir)
			continue
		}
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if ext := filepath.Ext(path); err == nil && !d.IsDir() && (ext == ".yml" || ext == ".yaml") {
				if path, err = filepath.Abs(path); err != nil {
					return err
				}
				all = append(all, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) == 0 {
		t.Fatal("no files")
	}
	return all
}

func treeOfJSON(t *testing.T, v any) any {
	t.Helper()
	doc, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(doc, &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}
