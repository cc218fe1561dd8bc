package compose

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/compose-spec/compose-go/v2/validation"
)

// shape runs compose-go's own checks over the merged model. It asks every config and secret for its data, which docker
// stack config does not; those without are told by objects.
func (l *load) shape(dict map[string]any, places Places) error {
	back := aside(dict)
	checked := clone(dict).(map[string]any)
	back()
	for _, section := range []string{"configs", "secrets"} {
		values, ok := checked[section].(map[string]any)
		if !ok {
			continue
		}
		for name, value := range values {
			object, ok := value.(map[string]any)
			if !ok {
				object = map[string]any{}
				values[name] = object
			}
			if sources(object) == 0 && object["external"] == nil {
				object["driver"] = "none"
			}
		}
	}
	if volumes, ok := checked["volumes"].(map[string]any); ok {
		for name, value := range volumes {
			if value == nil {
				volumes[name] = map[string]any{}
			}
		}
	}
	if err := validation.Validate(checked); err != nil {
		return l.because(err, places)
	}
	for _, section := range []string{"configs", "secrets"} {
		values, _ := dict[section].(map[string]any)
		for name, value := range values {
			if value == nil {
				values[name] = map[string]any{}
			}
		}
	}
	return nil
}

// sources counts the keys of a config or secret that say what its data is.
func sources(object map[string]any) int {
	count := 0
	for _, key := range []string{"file", "environment", "content"} {
		if _, ok := object[key]; ok {
			count++
		}
	}
	return count
}

// consistent tells what the files name and do not have. docker stack config takes such files, and so do we; what has no
// end is left out.
func (l *load) consistent(p *types.Project, places Places) {
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		service := p.Services[name]
		at := "services." + name
		if service.Image == "" && service.Build == nil && service.Provider == nil {
			l.find(places, Refused, at, true, "it has no image, so there is nothing to run; name one with image:")
		}
		if service.Scale != nil && service.Deploy != nil && service.Deploy.Replicas != nil && *service.Scale != *service.Deploy.Replicas {
			l.find(places, Approximated, at+".scale", false, "deploy.replicas says %d, and that is what counts", *service.Deploy.Replicas)
		}
		if service.NetworkMode != "" && len(service.Networks) > 0 {
			l.find(places, Approximated, at+".network_mode", false, "the service has networks too; docker compose refuses both together")
		}
		l.undefined(p, at, &service.ContainerSpec, places)
		l.depends(p, at, service.DependsOn, places)
		p.Services[name] = service
	}
	for _, name := range slices.Sorted(maps.Keys(p.Jobs)) {
		job := p.Jobs[name]
		at := "jobs." + name
		if job.Image == "" && job.Build == nil {
			l.find(places, Refused, at, true, "it has no image, so there is nothing to run; name one with image:")
		}
		l.undefined(p, at, &job.ContainerSpec, places)
		l.depends(p, at, job.DependsOn, places)
		p.Jobs[name] = job
	}
	l.untangle(p, places)
}

// undefined tells of networks, volumes, configs and secrets that a container names and the files do not have.
func (l *load) undefined(p *types.Project, at string, c *types.ContainerSpec, places Places) {
	missing := func(key, kind, name string) {
		l.find(places, Refused, key, true, "there is no %s %s; add it below %ss:", kind, name, kind)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Networks)) {
		if _, ok := p.Networks[name]; !ok {
			missing(at+".networks."+name, "network", name)
		}
	}
	for i, volume := range c.Volumes {
		if volume.Type == types.VolumeTypeVolume && volume.Source != "" {
			if _, ok := p.Volumes[volume.Source]; !ok {
				missing(fmt.Sprintf("%s.volumes[%d]", at, i), "volume", volume.Source)
			}
		}
		if strings.HasPrefix(volume.Source, "~") && volume.Type == types.VolumeTypeBind {
			l.find(places, Approximated, fmt.Sprintf("%s.volumes[%d]", at, i), true,
				"~ is the home directory of whoever deploys, which is not known here; write the path that the nodes have")
		}
	}
	for i, config := range c.Configs {
		if _, ok := p.Configs[config.Source]; !ok {
			missing(fmt.Sprintf("%s.configs[%d]", at, i), "config", config.Source)
			l.missing["configs"][config.Source] = true
		}
	}
	for i, secret := range c.Secrets {
		if _, ok := p.Secrets[secret.Source]; !ok {
			missing(fmt.Sprintf("%s.secrets[%d]", at, i), "secret", secret.Source)
			l.missing["secrets"][secret.Source] = true
		}
	}
}

// depends takes dependencies on what is not there out, and tells.
func (l *load) depends(p *types.Project, at string, on types.DependsOnConfig, places Places) {
	for _, name := range slices.Sorted(maps.Keys(on)) {
		_, service := p.Services[name]
		if _, job := p.Jobs[name]; service || job && strings.HasPrefix(at, "jobs.") {
			continue
		}
		_, off := p.DisabledServices[name]
		switch {
		case off && !on[name].Required:
			l.find(places, Meaningless, at+".depends_on."+name, false, "the service is left out by its profiles")
		default:
			l.find(places, Refused, at+".depends_on."+name, false, "there is no service %s that is taken, so it is not waited for; add it, or --profile if one switches it on", name)
		}
		delete(on, name)
	}
}

// untangle takes the dependencies out that close a circle: nothing of it would ever start.
func (l *load) untangle(p *types.Project, places Places) {
	done, open := map[string]bool{}, map[string]bool{}
	var visit func(at string, on types.DependsOnConfig)
	visit = func(at string, on types.DependsOnConfig) {
		if done[at] {
			return
		}
		open[at] = true
		for _, name := range slices.Sorted(maps.Keys(on)) {
			next, nextOn := "services."+name, p.Services[name].DependsOn
			if job, ok := p.Jobs[name]; ok {
				next, nextOn = "jobs."+name, job.DependsOn
			}
			if open[next] {
				l.find(places, Refused, at+".depends_on."+name, true, "the services wait for each other in a circle; this one does not wait")
				delete(on, name)
				continue
			}
			visit(next, nextOn)
		}
		delete(open, at)
		done[at] = true
	}
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		visit("services."+name, p.Services[name].DependsOn)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Jobs)) {
		visit("jobs."+name, p.Jobs[name].DependsOn)
	}
}
