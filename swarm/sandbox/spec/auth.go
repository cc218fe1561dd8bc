package spec

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/registry"
	corev1 "k8s.io/api/core/v1"
)

// RegistryAuth is the header X-Registry-Auth for an image: the credentials of the Pod's imagePullSecrets that name its
// registry, and of several the one that names most of its path. "": there are none, and the image is pulled without.
func (p *Pod) RegistryAuth(image string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return ""
	}
	best, found, ofHub := registry.AuthConfig{}, "", reference.Domain(named) == "docker.io"
	for _, ref := range p.pod.Spec.ImagePullSecrets {
		entries := credentials(p.sources.Secrets[ref.Name])
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			key := keyOf(name)
			switch {
			// The greater string is the more specific one, as a prefix is less than what it begins.
			case matches(key, named.Name()) && (found == hub || key > found), found == "" && ofHub && key == hub:
				best, found = entries[name].auth(name), key
			}
		}
	}
	if found == "" {
		return ""
	}
	header, err := registry.EncodeAuthConfig(best)
	if err != nil {
		return ""
	}
	return header
}

// hub is what Docker Hub is called in credentials, unless by the name that images have: docker.io.
const hub = "index.docker.io"

// credential is an entry of a Docker config file.
type credential struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
}

// auth is a credential as the engine takes it. Its field auth is base64 of user:password, padded or not.
func (c credential) auth(server string) registry.AuthConfig {
	a := registry.AuthConfig{Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, ServerAddress: server}
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(c.Auth), "="))
	if user, password, found := strings.Cut(string(raw), ":"); err == nil && found {
		a.Username, a.Password = user, password
	}
	return a
}

// credentials are those in a Secret, by registry. One that cannot be read has none, and the pull says what is missing.
func credentials(s *corev1.Secret) map[string]credential {
	if s == nil {
		return nil
	}
	var file struct {
		Auths map[string]credential `json:"auths"`
	}
	if data, found := s.Data[corev1.DockerConfigJsonKey]; found && json.Unmarshal(data, &file) == nil {
		return file.Auths
	}
	if data, found := s.Data[corev1.DockerConfigKey]; found && json.Unmarshal(data, &file.Auths) == nil {
		return file.Auths
	}
	return nil
}

// keyOf is the registry that an entry is for, with the path if it has one: https://host:port/v2/path -> host:port/path.
func keyOf(name string) string {
	if !strings.HasPrefix(name, "https://") && !strings.HasPrefix(name, "http://") {
		name = "https://" + name
	}
	u, err := url.Parse(name)
	if err != nil {
		return ""
	}
	rest := u.Path
	if strings.HasPrefix(rest, "/v1/") || strings.HasPrefix(rest, "/v2/") {
		rest = rest[len("/v1"):]
	}
	if rest == "/" {
		rest = ""
	}
	return u.Host + rest
}

// matches tells whether an entry is for an image. The parts of its host may have wildcards, its path is a prefix.
func matches(key, image string) bool {
	host, rest, _ := strings.Cut(image, "/")
	keyHost, keyRest, _ := strings.Cut(key, "/")
	return sameHost(keyHost, host) && strings.HasPrefix(rest, keyRest)
}

func sameHost(glob, host string) bool {
	globName, globPort := split(glob)
	name, port := split(host)
	globParts, parts := strings.Split(globName, "."), strings.Split(name, ".")
	if globPort != port || len(globParts) != len(parts) {
		return false
	}
	for i := range parts {
		if matched, err := path.Match(globParts[i], parts[i]); err != nil || !matched {
			return false
		}
	}
	return true
}

func split(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return host, ""
	}
	return name, port
}
