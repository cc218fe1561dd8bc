package compose

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"

	"skep/translate"
)

// What docker stack deploy made of a file comes out as a file that makes the same.
func TestExport(t *testing.T) {
	golden(t, "export", func(t *testing.T, input []byte) string {
		t.Helper()
		dir := t.TempDir()
		for name, data := range map[string][]byte{"stack.yml": input, "data.txt": []byte("some data\n")} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		sent, err := dockerDeploy(filepath.Join(dir, "stack.yml"), "shop")
		if err != nil {
			t.Fatal(err)
		}
		e := &engine{}
		e.deploy(sent)
		e.secrets = append(e.secrets, swarm.Secret{ID: "outer", Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: "outer_key"}}})
		s, err := Export(t.Context(), e, "shop")
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Services {
			if s.Services[i].File == nil || s.Services[i].File.Image != s.Services[i].Spec.TaskTemplate.ContainerSpec.Image {
				t.Errorf("%s: its File is %+v", s.Services[i].Key, s.Services[i].File)
			}
		}
		again, err := dockerDeploy(written(t, s), "shop")
		if err != nil {
			t.Fatal(err)
		}
		for key, spec := range sent.services {
			for _, d := range differences(key, plainSpec(t, spec), plainSpec(t, again.services[key])) {
				t.Error(d)
			}
		}
		return strings.ReplaceAll(filesAndFindings(t, s), filepath.Dir(dir), "/parent")
	})
}

// small is a service as docker service create makes it.
func small(name, image string, labels map[string]string) swarm.Service {
	return swarm.Service{ID: "id-" + name, Spec: swarm.ServiceSpec{
		Annotations:  swarm.Annotations{Name: name, Labels: labels},
		TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: image}},
		Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{}},
	}}
}

func stackLabels(stack string) map[string]string {
	return map[string]string{translate.LabelStack: stack}
}

func TestExportNamesWhatThereIs(t *testing.T) {
	e := &engine{services: []swarm.Service{small("shop_web", "nginx", stackLabels("shop")), small("blog_web", "nginx", stackLabels("blog"))}}
	_, err := Export(t.Context(), e, "shopp")
	if err == nil || !strings.Contains(err.Error(), "blog, shop") {
		t.Errorf("Export: %v", err)
	}
	_, err = ExportService(t.Context(), e, "web")
	if err == nil || !strings.Contains(err.Error(), "blog_web, shop_web") {
		t.Errorf("ExportService: %v", err)
	}
	_, err = Export(t.Context(), &engine{}, "shop")
	if err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("of an empty Swarm: %v", err)
	}
}

// failing is an Engine whose secrets cannot be listed.
type failing struct{ engine }

func (failing) SecretList(context.Context, swarm.SecretListOptions) ([]swarm.Secret, error) {
	return nil, errors.New("not a manager")
}

func TestExportFailsWithTheEngine(t *testing.T) {
	if _, err := ExportAll(t.Context(), &failing{}); err == nil || !strings.Contains(err.Error(), "list secrets: not a manager") {
		t.Error(err)
	}
}

func TestExportService(t *testing.T) {
	web := small("shop_web", "nginx", stackLabels("shop"))
	web.Spec.TaskTemplate.Networks = []swarm.NetworkAttachmentConfig{{Target: "n1"}}
	web.Spec.TaskTemplate.ContainerSpec.Mounts = []mount.Mount{{Type: mount.TypeVolume, Source: "old", Target: "/old"}}
	e := &engine{
		services: []swarm.Service{web, small("shop_db", "postgres", stackLabels("shop"))},
		networks: []network.Summary{{ID: "n1", Name: "shop_front", Scope: "swarm", Driver: "overlay", Labels: stackLabels("shop")}, {ID: "n2", Name: "shop_back", Labels: stackLabels("shop")}},
		volumes:  []*volume.Volume{{Name: "old", Driver: "local", Options: map[string]string{"type": "nfs"}}, nil},
	}
	for _, name := range []string{"shop_web", "id-shop_web"} {
		s, err := ExportService(t.Context(), e, name)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Services) != 1 || s.Services[0].Key != "web" || s.Name != "shop" {
			t.Errorf("%s: %+v", name, s.Services)
		}
		if len(s.Networks) != 1 || s.Networks[0].Key != "front" || s.Networks[0].External {
			t.Errorf("%s: networks %+v", name, s.Networks)
		}
		if len(s.Volumes) != 1 || !s.Volumes[0].External || s.Volumes[0].Options["type"] != "nfs" {
			t.Errorf("%s: volumes %+v", name, s.Volumes)
		}
	}
}

// All stacks come out, services of none among "default", and nothing that is skep's own.
// What skep mounts is named by its content, and comes out by the name of its file; of two of one name the second keeps its own.
func TestExportOfMaterials(t *testing.T) {
	web := small("shop_web", "nginx", stackLabels("shop"))
	e := &engine{services: []swarm.Service{web}}
	c := e.services[0].Spec.TaskTemplate.ContainerSpec
	for i, target := range []string{"/etc/motd", "/srv/motd", "/srv/other"} {
		name := fmt.Sprintf("skep-%032d", i)
		e.configs = append(e.configs, swarm.Config{ID: name, Spec: swarm.ConfigSpec{
			Annotations: swarm.Annotations{Name: name, Labels: map[string]string{translate.LabelMaterial: "true"}}, Data: []byte(target),
		}})
		c.Configs = append(c.Configs, &swarm.ConfigReference{ConfigName: name, ConfigID: name, File: &swarm.ConfigReferenceFileTarget{Name: target, UID: "0", GID: "0", Mode: 0o444}})
	}
	s, err := Export(t.Context(), e, "shop")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range s.Configs {
		got[f.Key] = string(f.Data)
	}
	want := map[string]string{"motd": "/etc/motd", fmt.Sprintf("skep-%032d", 1): "/srv/motd", "other": "/srv/other"}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	for _, ref := range s.Services[0].File.Configs {
		if got[ref.Source] != ref.Target {
			t.Errorf("%s has what belongs to %q", ref.Target, got[ref.Source])
		}
	}
}

func TestExportAll(t *testing.T) {
	object := map[string]string{translate.LabelKind: "Deployment", translate.LabelName: "api", translate.LabelObject: "{}", translate.LabelStack: "default"}
	proxy := map[string]string{translate.LabelProxy: "default/api", translate.LabelStack: "kube-system"}
	e := &engine{services: []swarm.Service{
		small("shop_web", "nginx", stackLabels("shop")), small("lone", "nginx:1@sha256:"+strings.Repeat("0a", 32), nil), small("default_lone", "nginx", stackLabels("default")),
		small("default_api", "api", object), small("kube-system_proxy", "nginx", proxy),
		small("skep_gateway", "ghcr.io/x/skep:1.0", stackLabels("skep")), small("skep_agent", "skep", stackLabels("skep")),
	}}
	all, err := ExportAll(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, s := range all {
		for _, service := range s.Services {
			got[s.Name] = append(got[s.Name], service.Key)
			for key := range service.Spec.Labels {
				if strings.HasPrefix(key, "skep.") {
					t.Errorf("%s has the label %s", service.Key, key)
				}
			}
		}
	}
	if len(got) != 2 || len(got["shop"]) != 1 || len(got["default"]) != 3 {
		t.Errorf("%v", got)
	}
	var text strings.Builder
	for _, f := range all[0].Findings {
		text.WriteString(f.String() + "\n")
	}
	for _, want := range []string{"belongs to no stack", "was made through kubectl (Deployment api)", "is in no network"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("nothing tells %q:\n%s", want, text.String())
		}
	}
}

func TestImageOf(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0a", 32)
	for _, c := range []struct{ runs, written, want string }{
		{"nginx:latest" + digest, "nginx", "nginx"},
		{"nginx:1.27" + digest, "nginx:1.27", "nginx:1.27"},
		{"docker.io/library/nginx:1.27" + digest, "nginx:1.27", "nginx:1.27"},
		{"nginx:1.28" + digest, "nginx:1.27", "nginx:1.28" + digest}, // updated since
		{"nginx" + digest, "nginx" + digest, "nginx" + digest},
		{"nginx:1" + digest, "", "nginx:1" + digest},
		{"other:1" + digest, "nginx:1", "other:1" + digest},
	} {
		if got := imageOf(c.runs, c.written); got != c.want {
			t.Errorf("imageOf(%s, %s) = %s, want %s", c.runs, c.written, got, c.want)
		}
	}
}

// A subnet that the Swarm chose is not said; one that someone chose is.
func TestAddressPools(t *testing.T) {
	p := addressPools{[]string{"10.0.0.0/8", "192.168.0.0/16"}, 24}
	for subnet, want := range map[string]bool{
		"10.0.7.0/24": true, "10.0.255.0/24": true, "10.1.0.0/24": false, "10.0.7.0/25": false, "192.168.3.0/24": true, "172.16.0.0/24": false, "fd00::/64": false, "x": false,
	} {
		if got := p.chose(subnet); got != want {
			t.Errorf("chose(%s) = %v", subnet, got)
		}
	}
}
