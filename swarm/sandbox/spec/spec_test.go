package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"skep/translate/manifest"
)

// scene is a Pod whose sandbox is a test's directory.
type scene struct {
	*Pod
	t    *testing.T
	root string
}

// node is where the tests say that the sandbox's directories are on the node.
const node = "/node"

const twoSources = `
configMaps:
  settings: {data: {colour: blue, size: large}, binaryData: {raw: AAH/}}
  other: {data: {shape: round}}
secrets:
  keys: {data: {password: czNjcjN0, user: YW5uYQ==}}
tokens:
  /3600: {token: eyJ0b2tlbi4x}
  vault/600: {token: vault-token}
`

func parse[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := yaml.UnmarshalStrict([]byte(text), &v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return v
}

// sources reads those of a test: a sandbox's Update has the same parts.
func sources(t *testing.T, text string) Sources {
	t.Helper()
	u := parse[manifest.Update](t, text)
	return Sources{ConfigMaps: u.ConfigMaps, Secrets: u.Secrets, Tokens: u.Tokens}
}

// stage makes the Pod web in namespace shop of a PodSpec, with a directory for each of its volumes.
func stage(t *testing.T, podSpec string) *scene {
	t.Helper()
	pod := parse[corev1.Pod](t, `
metadata:
  name: web
  namespace: shop
  uid: 11-22
  labels: {app: web, tier: front}
  annotations: {note: hello}
status:
  podIP: 10.0.0.5
  podIPs: [{ip: 10.0.0.5}, {ip: "fd00::5"}]
  hostIP: 192.168.7.1
  hostIPs: [{ip: 192.168.7.1}]
`)
	pod.Spec = parse[corev1.PodSpec](t, podSpec)
	pod.Spec.NodeName = "worker-1"
	root := t.TempDir()
	host := map[string]string{manifest.RunDir: node + "/run"}
	for _, dir := range []string{manifest.RunDir, manifest.HostDir} {
		mkdir(t, filepath.Join(root, dir))
	}
	for i := range pod.Spec.Volumes {
		if v := &pod.Spec.Volumes[i]; v.HostPath == nil {
			mkdir(t, filepath.Join(root, manifest.VolumeDir, v.Name))
			host[manifest.VolumeDir+"/"+v.Name] = node + "/" + v.Name
		}
	}
	facts := Facts{
		Pod:     &pod,
		Sandbox: "5a4db0c",
		Node:    parse[corev1.ResourceList](t, `{cpu: "4", memory: 8Gi}`),
		Host:    host,
		Root:    root,
	}
	return &scene{Pod: New(facts, sources(t, twoSources)), t: t, root: root}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

// set writes a file of the stage and makes its directory.
func (s *scene) set(path, text string) {
	s.t.Helper()
	path = filepath.Join(s.root, path)
	mkdir(s.t, filepath.Dir(path))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) symlink(target, path string) {
	s.t.Helper()
	if err := os.Symlink(target, filepath.Join(s.root, path)); err != nil {
		s.t.Fatal(err)
	}
}

// in is a path in a volume, as the sandbox sees it.
func (s *scene) in(volume string, path ...string) string {
	return filepath.Join(append([]string{s.root, manifest.VolumeDir, volume}, path...)...)
}

func (s *scene) setup() {
	s.t.Helper()
	if err := s.Setup(); err != nil {
		s.t.Fatal(err)
	}
}

// first makes the Pod's first container, of an image without a user.
func (s *scene) first() (*container.Config, *container.HostConfig) {
	s.t.Helper()
	config, host, err := s.Container(&s.pod.Spec.Containers[0], ImageConfig{}, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return config, host
}

// refuses asserts that the Pod's first container is a *ConfigError with this text.
func (s *scene) refuses(want string) {
	s.t.Helper()
	_, _, err := s.Container(&s.pod.Spec.Containers[0], ImageConfig{}, 0)
	//nolint:errorlint // callers are told that it is this type, not that it wraps one
	if refusal, is := err.(*ConfigError); !is || refusal.Message != want {
		s.t.Errorf("got  %v\nwant ConfigError %s", err, want)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func missing(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("%s is there: %v", path, err)
	}
}

// mode is a file's as ls -l has it.
func mode(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().String()
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") || len(got) != len(want) {
		t.Errorf("%s\ngot  %q\nwant %q", what, got, want)
	}
}

// fill sets fields of what is there already.
func fill[T any](t *testing.T, c *T, text string) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), c); err != nil {
		t.Fatal(err)
	}
}
