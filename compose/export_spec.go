package compose

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"

	"skep/translate"
	"skep/translate/manifest"
)

// service takes a running service into the stack.
func (e *exporter) service(s *swarm.Service) {
	path := "services." + s.Spec.Name
	if s.Spec.TaskTemplate.ContainerSpec == nil {
		e.find(path, Refused, false, "runs no container but a %s, and a stack file has nothing for that: make it by hand", s.Spec.TaskTemplate.Runtime)
		return
	}
	spec, err := cloneSpec(&s.Spec)
	if err != nil {
		e.find(path, Refused, false, "cannot be read: %v", err)
		return
	}
	stacked := s.Spec.Labels[translate.LabelStack] != ""
	key := e.take("services", s.Spec.Name, stacked)
	path = "services." + key
	if !stacked {
		e.find(path, Approximated, false, "belongs to no stack: docker stack deploy makes it %s_%s, with its own name as an alias", e.stack.Name, key)
	}
	if kind := s.Spec.Labels[translate.LabelKind]; kind != "" {
		e.kubernetes(path, kind, spec)
	}
	e.clean(spec, key)
	e.stack.Services = append(e.stack.Services, Service{Key: key, Spec: *spec})
}

// kubernetes tells that a service is what skep made of a Kubernetes object, and takes away what skep keeps in its labels.
func (e *exporter) kubernetes(path, kind string, spec *swarm.ServiceSpec) {
	c := spec.TaskTemplate.ContainerSpec
	if c.Labels[manifest.LabelRole] == manifest.RoleSandbox {
		e.find(path, Refused, true, "is the sandbox of a Pod, which cannot run without skep: kubectl get %s %s -o yaml has the Pod itself, for a service of your own",
			strings.ToLower(kind), spec.Labels[translate.LabelName])
	} else {
		e.find(path, Approximated, false, "was made through kubectl (%s %s); this is what runs, and kubectl get -o yaml has more", kind, spec.Labels[translate.LabelName])
	}
	spec.Labels, c.Labels = withoutSkep(spec.Labels), withoutSkep(c.Labels)
}

// withoutSkep are labels but for those by which skep and kubelets know their own.
func withoutSkep(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	maps.DeleteFunc(out, func(key, _ string) bool {
		return strings.HasPrefix(key, "skep.") || strings.HasPrefix(key, "io.kubernetes.") || key == translate.LabelHash
	})
	return out
}

// cloneSpec copies a spec, which may be shared.
func cloneSpec(spec *swarm.ServiceSpec) (*swarm.ServiceSpec, error) {
	doc, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	out := &swarm.ServiceSpec{}
	return out, json.Unmarshal(doc, out)
}

// clean makes a spec that was read back the one that docker stack deploy sends: names for IDs, and nothing that Docker
// filled in.
func (e *exporter) clean(spec *swarm.ServiceSpec, key string) {
	task, c := &spec.TaskTemplate, spec.TaskTemplate.ContainerSpec
	task.ForceUpdate, task.Runtime = 0, ""
	if c.Isolation == container.IsolationDefault {
		c.Isolation = ""
	}
	for i := range c.Mounts {
		if o := c.Mounts[i].BindOptions; o != nil && o.Propagation == mount.PropagationRPrivate {
			o.Propagation = ""
		}
		if o := c.Mounts[i].BindOptions; o != nil && *o == (mount.BindOptions{}) {
			c.Mounts[i].BindOptions = nil
		}
	}
	for _, ref := range c.Configs {
		if c.Privileges != nil && c.Privileges.CredentialSpec != nil && c.Privileges.CredentialSpec.Config == ref.ConfigID {
			c.Privileges.CredentialSpec.Config = ref.ConfigName
		}
		ref.ConfigID = ""
	}
	for _, ref := range c.Secrets {
		ref.SecretID = ""
	}
	withoutDefaults(spec)
	e.attach(spec, key)
	e.stack.asDeployed(spec, key)
}

// withoutDefaults takes out what Docker fills in.
func withoutDefaults(spec *swarm.ServiceSpec) {
	if p := spec.TaskTemplate.RestartPolicy; p != nil && p.MaxAttempts != nil && *p.MaxAttempts == 0 {
		p.MaxAttempts = nil
	}
	for _, u := range []*swarm.UpdateConfig{spec.UpdateConfig, spec.RollbackConfig} {
		if u != nil && u.FailureAction == swarm.UpdateFailureActionPause {
			u.FailureAction = ""
		}
		if u != nil && u.Order == swarm.UpdateOrderStopFirst {
			u.Order = ""
		}
	}
	if spec.EndpointSpec != nil && spec.EndpointSpec.Mode == swarm.ResolutionModeVIP {
		spec.EndpointSpec.Mode = ""
	}
}

// attach names a service's networks, in docker stack deploy's order and with the alias that it gives.
func (e *exporter) attach(spec *swarm.ServiceSpec, key string) {
	task := &spec.TaskTemplate
	if len(task.Networks) == 0 {
		task.Networks = spec.Networks //nolint:staticcheck // what a service of an old Docker has
	}
	spec.Networks = nil //nolint:staticcheck // as above
	for i := range task.Networks {
		n := &task.Networks[i]
		if is := e.networks[n.Target]; is != nil {
			n.Target = is.Name
		}
		if container.NetworkMode(n.Target).IsUserDefined() && !slices.Contains(n.Aliases, key) {
			n.Aliases = append(n.Aliases, key)
		}
	}
	slices.SortStableFunc(task.Networks, func(a, b swarm.NetworkAttachmentConfig) int { return cmp.Compare(a.Target, b.Target) })
}

// asDeployed fills in what docker stack deploy sends of every service, empty or not, and its labels.
func (s *Stack) asDeployed(spec *swarm.ServiceSpec, key string) {
	task, c := &spec.TaskTemplate, spec.TaskTemplate.ContainerSpec
	spec.Name = s.scoped(key)
	if c.Privileges == nil {
		c.Privileges = &swarm.Privileges{}
	}
	if task.Resources == nil {
		task.Resources = &swarm.ResourceRequirements{}
	}
	if task.Placement == nil {
		task.Placement = &swarm.Placement{}
	}
	task.Placement.Platforms = nil // those of the image, which Docker looks up
	if spec.EndpointSpec == nil {
		spec.EndpointSpec = &swarm.EndpointSpec{}
	}
	c.Image = imageOf(c.Image, spec.Labels[stackImageLabel])
	spec.Labels, c.Labels = s.labels(spec.Labels), s.labels(c.Labels)
	if s.Name != "" {
		spec.Labels[stackImageLabel] = c.Image
	}
}

// imageOf is the image as a file names it: as its stack's file did, while that is what runs. Docker pins it to the digest
// that it had at the deployment.
func imageOf(runs, written string) string {
	a, err := reference.ParseNormalizedNamed(runs)
	if err != nil {
		return runs
	}
	b, err := reference.ParseNormalizedNamed(written)
	if err != nil {
		return runs
	}
	if _, pinned := b.(reference.Digested); pinned {
		return runs
	}
	tagged, ok := reference.TagNameOnly(b).(reference.NamedTagged)
	if have, is := a.(reference.Tagged); !ok || a.Name() != b.Name() || !is || have.Tag() != tagged.Tag() {
		return runs
	}
	return written
}
