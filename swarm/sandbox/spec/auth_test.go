package spec

import (
	"encoding/base64"
	"encoding/json"
	"testing"

	"github.com/docker/docker/api/types/registry"
	corev1 "k8s.io/api/core/v1"
)

func TestRegistryAuth(t *testing.T) {
	s := stage(t, `{containers: [{name: web}], imagePullSecrets: [{name: ""}, {name: gone}, {name: broken}, {name: json}, {name: old}, {name: hub}]}`)
	secret := func(key, text string) *corev1.Secret {
		return &corev1.Secret{Data: map[string][]byte{key: []byte(text)}}
	}
	auth := base64.StdEncoding.EncodeToString([]byte("eve:p:w"))
	s.sources.Secrets = map[string]*corev1.Secret{
		"broken": secret(".dockerconfigjson", "{"),
		"json": secret(".dockerconfigjson", `{"auths": {
			"registry.test:5000": {"username": "any", "password": "1"},
			"https://registry.test:5000/v2/team": {"auth": "`+auth+`"},
			"*.wild.test": {"username": "wild", "password": "2"},
			"https://token.test": {"identitytoken": "t"}}}`),
		"old": secret(".dockercfg", `{"old.test": {"username": "old", "password": "3", "email": "x"}}`),
		"hub": secret(".dockerconfigjson", `{"auths": {"https://index.docker.io/v1/": {"username": "hub", "password": "4"}}}`),
	}
	for image, want := range map[string]registry.AuthConfig{
		"registry.test:5000/app:1":    {Username: "any", Password: "1", ServerAddress: "registry.test:5000"},
		"registry.test:5000/team/app": {Username: "eve", Password: "p:w", ServerAddress: "https://registry.test:5000/v2/team"},
		"registry.test/app":           {},
		"a.wild.test/x:2":             {Username: "wild", Password: "2", ServerAddress: "*.wild.test"},
		"a.b.wild.test/x":             {},
		"token.test/x":                {IdentityToken: "t", ServerAddress: "https://token.test"},
		"old.test/x":                  {Username: "old", Password: "3", ServerAddress: "old.test"},
		"nginx:1":                     {Username: "hub", Password: "4", ServerAddress: "https://index.docker.io/v1/"},
		"team/app":                    {Username: "hub", Password: "4", ServerAddress: "https://index.docker.io/v1/"},
		"docker.io/library/nginx":     {Username: "hub", Password: "4", ServerAddress: "https://index.docker.io/v1/"},
		"localhost/app":               {},
		"other.test/app":              {},
	} {
		header := s.RegistryAuth(image)
		if header == "" {
			if want != (registry.AuthConfig{}) {
				t.Errorf("%s: no header", image)
			}
			continue
		}
		data, err := base64.URLEncoding.DecodeString(header)
		if err != nil {
			t.Fatal(err)
		}
		var got registry.AuthConfig
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", image, got, want)
		}
	}
}
