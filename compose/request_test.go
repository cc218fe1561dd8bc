package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
)

const plainFile = `services:
  web:
    image: nginx:1.25
    environment:
      GREETING: ${GREETING:-hello}
    ports:
      - 8080:80
`

// typed runs skep convert as it is typed, and returns what comes out at both ends.
func typed(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, told strings.Builder
	c := Command(func(context.Context, string) (API, func(), error) { return fakeSwarm{}, func() {}, nil })
	c.SetArgs(append([]string{}, args...)) // not nil, which means those of this program
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(&out)
	c.SetErr(&told)
	c.SilenceUsage, c.SilenceErrors = true, true
	err = c.ExecuteContext(t.Context())
	return out.String(), told.String(), err
}

func mustType(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr, err := typed(t, stdin, args...)
	if err != nil {
		t.Fatalf("convert %s: %v\n%s", args, err, stderr)
	}
	return stdout
}

// file writes one, and returns its path.
func fileWith(t *testing.T, dir, name, text string) string {
	t.Helper()
	at := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

// fakeSwarm runs a stack of one service, and a service of nobody's.
type fakeSwarm struct{ API }

func (fakeSwarm) SwarmInspect(context.Context) (swarm.Swarm, error) { return swarm.Swarm{}, nil }

func (fakeSwarm) ServiceList(context.Context, swarm.ServiceListOptions) ([]swarm.Service, error) {
	spec := func(name string, labels map[string]string) swarm.Service {
		return swarm.Service{ID: name, Spec: swarm.ServiceSpec{
			Annotations:  swarm.Annotations{Name: name, Labels: labels},
			TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "redis:7"}},
			Mode:         swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: new(uint64(2))}},
		}}
	}
	return []swarm.Service{spec("shop_cache", map[string]string{"com.docker.stack.namespace": "shop"}), spec("lone", nil)}, nil
}

func (fakeSwarm) ConfigList(context.Context, swarm.ConfigListOptions) ([]swarm.Config, error) {
	return nil, nil
}

func (fakeSwarm) SecretList(context.Context, swarm.SecretListOptions) ([]swarm.Secret, error) {
	return nil, nil
}

func (fakeSwarm) NetworkList(context.Context, network.ListOptions) ([]network.Summary, error) {
	return nil, nil
}

func (fakeSwarm) VolumeList(context.Context, volume.ListOptions) (volume.ListResponse, error) {
	return volume.ListResponse{}, nil
}

func TestCommandStream(t *testing.T) {
	dir := t.TempDir()
	name := fileWith(t, dir, "compose.yaml", plainFile)
	first := mustType(t, "", "-f", name)
	docs := documentsOf(t, first)
	for _, want := range []string{"Deployment web", "Service web", "Service web-published"} {
		if docs[want] == nil {
			t.Errorf("there is no %s in\n%s", want, first)
		}
	}
	if docs["Namespace shop"] != nil {
		t.Error("a namespace that nobody asked for")
	}
	if again := mustType(t, "", "-f", name); again != first {
		t.Error("a second run gives other bytes")
	}
	if piped := mustType(t, plainFile, "-f", "-"); piped != first {
		t.Errorf("standard input gives\n%s\nwant\n%s", piped, first)
	}
	stacked := documentsOf(t, mustType(t, "", "-f", name, "--stack", "shop"))
	if stacked["Namespace shop"] == nil || at(stacked["Deployment web"], "metadata", "namespace") != "shop" {
		t.Errorf("--stack gives no namespace: %v", stacked["Deployment web"])
	}
}

// What the environment of the process says counts less than what is in no file, and more than what is.
func TestCommandVariables(t *testing.T) {
	dir := t.TempDir()
	name, env := fileWith(t, dir, "compose.yaml", plainFile), fileWith(t, dir, "prod.env", "GREETING=from the file\n")
	if out := mustType(t, "", "-f", name, "--env-file", env); !strings.Contains(out, "from the file") {
		t.Errorf("--env-file is not used:\n%s", out)
	}
	t.Setenv("GREETING", "from the shell")
	if out := mustType(t, "", "-f", name, "--env-file", env); !strings.Contains(out, "from the shell") {
		t.Errorf("the environment is not used:\n%s", out)
	}
}

// Without a file it takes those that docker compose takes, from below the project too.
func TestCommandUsualFiles(t *testing.T) {
	dir := t.TempDir()
	fileWith(t, dir, "docker-compose.yml", plainFile)
	fileWith(t, dir, "compose.override.yaml", "services: {web: {image: 'nginx:1.26'}}\n")
	fileWith(t, dir, "below/deep/x", "")
	for _, from := range []string{".", "below/deep"} {
		t.Chdir(filepath.Join(dir, from))
		if out := mustType(t, ""); !strings.Contains(out, "nginx:1.26") {
			t.Errorf("from %s:\n%s", from, out)
		}
	}
	fileWith(t, dir, "other.yaml", "services: {other: {image: busybox}}\n")
	t.Chdir(dir)
	t.Setenv("COMPOSE_FILE", "docker-compose.yml:other.yaml")
	if out := mustType(t, ""); !strings.Contains(out, "busybox") || !strings.Contains(out, "nginx:1.25") {
		t.Errorf("COMPOSE_FILE:\n%s", out)
	}
	t.Setenv("COMPOSE_FILE", "")
	t.Chdir(t.TempDir())
	if _, _, err := typed(t, ""); err == nil || !strings.Contains(err.Error(), "-f") {
		t.Errorf("without any file: %v", err)
	}
}

// Whatever fails, nothing is written: neither to the directory, nor to standard output.
func TestCommandWritesAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	good, out := fileWith(t, dir, "compose.yaml", plainFile), filepath.Join(dir, "out")
	bad := fileWith(t, dir, "bad.yaml", "services:\n  web:\n    image: nginx\n    prots: []\n")
	privileged := fileWith(t, dir, "strict.yaml", "services:\n  web:\n    image: nginx\n    build: .\n    runtime: runsc\n    links: [web]\n    blkio_config: {weight: 300}\n")
	mustType(t, "", "-f", good, "-o", out)
	before, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-f", bad, "-o", out},
		{"-f", privileged, "--strict", "-o", out},
		{"-f", good, "-f", filepath.Join(dir, "missing"), "-o", out},
		{"-f", good, "--publish", "magic", "-o", out},
		{"-f", good, "--to", "tarball"},
		{"-f", good, "--report", "pdf"},
		{"-f", good, "--to", "helm"},
		{"-f", good, "--namespace", "No"},
		{"-f", good, "--volume-size", "much"},
		{"-f", good, "--report-file", "x"},
		{"-f", bad},
		{"-f", "-", "-f", "-"},
		{"-f", good, "--from-stack", "shop"},
		{"--all"},
		{"--from-stack", "missing"},
		{"-f", bad, "-o", filepath.Join(dir, "new")},
	} {
		stdout, _, err := typed(t, plainFile, args...)
		if err == nil {
			t.Errorf("%s: no error", args)
		}
		if stdout != "" {
			t.Errorf("%s: some of it is written:\n%s", args, stdout)
		}
	}
	after, _ := os.ReadDir(out)
	if !slices.EqualFunc(before, after, func(a, b os.DirEntry) bool { return a.Name() == b.Name() }) {
		t.Errorf("%v became %v", before, after)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("a directory was made for nothing")
	}
}

func TestCommandTells(t *testing.T) {
	name := fileWith(t, t.TempDir(), "compose.yaml", "services:\n  web:\n    image: nginx\n    blkio_config: {weight: 300}\n    pull_policy: build\n")
	stdout, stderr, err := typed(t, "", "-f", name)
	if err != nil || stdout == "" {
		t.Fatal(err)
	}
	if !strings.Contains(stderr, name+":4: services.web.blkio_config") || !strings.Contains(stderr, "1 key needs a hand") {
		t.Errorf("it says\n%s", stderr)
	}
	if _, _, err := typed(t, "", "-f", name, "--strict"); err == nil {
		t.Error("--strict takes it")
	}
	_, stderr, err = typed(t, "services: {web: {image: nginx}}", "-f", "-", "--strict")
	if err != nil || stderr != "" {
		t.Errorf("with nothing to say it says %q, %v", stderr, err)
	}
}

func TestCommandReports(t *testing.T) {
	dir := t.TempDir()
	name := fileWith(t, dir, "compose.yaml", plainFile)
	for format, file := range map[string]string{"html": "report.html", "markdown": "report.md", "json": "report/report.json"} {
		out, own := filepath.Join(dir, "out-"+format), filepath.Join(dir, "own."+format)
		mustType(t, "", "-f", name, "-o", out, "--report", format)
		mustType(t, "", "-f", name, "--report", format, "--report-file", own)
		inside, err := os.ReadFile(filepath.Join(out, file))
		if err != nil {
			t.Error(err)
		}
		outside, err := os.ReadFile(own)
		if err != nil || len(outside) == 0 || string(inside) != string(outside) {
			t.Errorf("%s: %d and %d bytes, %v", format, len(inside), len(outside), err)
		}
	}
	_, stderr, err := typed(t, "", "-f", name, "--report", "markdown")
	if err != nil || !strings.Contains(stderr, "web") {
		t.Errorf("without a place for it the report is %q, %v", stderr, err)
	}
}

func TestCommandFromASwarm(t *testing.T) {
	docs := documentsOf(t, mustType(t, "", "--from-stack", "shop"))
	if docs["Namespace shop"] == nil || at(docs["Deployment cache"], "spec", "replicas") != 2.0 {
		t.Errorf("--from-stack gives %v", docs)
	}
	if docs := documentsOf(t, mustType(t, "", "--from-service", "lone")); docs["Deployment lone"] == nil {
		t.Errorf("--from-service gives %v", docs)
	}
	out := filepath.Join(t.TempDir(), "all")
	mustType(t, "", "--all", "-o", out, "--to", "kustomize", "--report", "html")
	for _, file := range []string{"shop/kustomization.yaml", "shop/report.html", "shop/50-deployment-cache.yaml", "default/50-deployment-lone.yaml"} {
		if _, err := os.Stat(filepath.Join(out, file)); err != nil {
			t.Error(err)
		}
	}
	if stack := mustType(t, "", "--from-stack", "shop", "--to", "compose"); !strings.Contains(stack, "cache:") || !strings.Contains(stack, "redis:7") {
		t.Errorf("--to compose gives\n%s", stack)
	}
}

// Manifests become a stack file, and nothing else of theirs is asked for.
func TestCommandReadsManifests(t *testing.T) {
	dir := t.TempDir()
	name := fileWith(t, dir, "compose.yaml", plainFile)
	manifests := fileWith(t, dir, "manifests.yaml", mustType(t, "", "-f", name, "--stack", "shop"))
	if stack := mustType(t, "", "-f", manifests, "--to", "compose"); !strings.Contains(stack, "nginx:1.25") || !strings.Contains(stack, "services:") {
		t.Errorf("a stack file\n%s", stack)
	}
	for _, args := range [][]string{{"-f", manifests}, {"-f", manifests, "-f", name, "--to", "compose"}} {
		if _, _, err := typed(t, "", args...); err == nil || !strings.Contains(err.Error(), "manifests") {
			t.Errorf("%s: %v", args, err)
		}
	}
	for text, want := range map[string]bool{
		plainFile: false, `{"apiVersion":"v1","kind":"Secret"}`: true, "apiVersion: v1\nkind: Pod\n": true, `{"services":{}}`: false,
		"configs:\n  pod:\n    content: |\n      apiVersion: v1\n      kind: Pod\n": false,
	} {
		if isManifest([]byte(text)) != want {
			t.Errorf("%q: not %v", text, want)
		}
	}
}

// A request that takes too long ends.
func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := Request{To: FormatKubernetes, Options: Options{Publish: PublishLoadBalancer}, Input: Input{Files: []Source{{Name: "-", Data: []byte(plainFile)}}}}
	if _, err := Run(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Manifests of which nothing can be a service make no empty stack file.
func TestRunOfNothing(t *testing.T) {
	doc, err := os.ReadFile("../testdata/manifests/two-containers.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := Request{To: FormatCompose, Options: Options{Publish: PublishLoadBalancer}, Input: Input{Files: []Source{{Name: "two.yaml", Data: doc}}}}
	if _, err := Run(t.Context(), r); err == nil || !strings.Contains(err.Error(), "no service is left") || !strings.Contains(err.Error(), "two.yaml:8: Pod/two") {
		t.Errorf("%v", err)
	}
}

// stackOf200 is a stack of 200 services with what stacks have.
func stackOf200() []byte {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range 200 {
		before := ""
		if i > 0 {
			before = fmt.Sprintf("service-%03d", i-1)
		}
		fmt.Fprintf(&b, `  service-%03d:
    image: registry.example.com/shop/service-%03d:1.%d
    environment: {LEVEL: info, PORT: "8080", NEXT: "http://service-%03d:8080"}
    ports: ["%d:8080"]
    networks: [front, back]
    depends_on: [%s]
    volumes: ["data-%03d:/data"]
    configs: [settings]
    secrets: [password]
    healthcheck: {test: curl -f localhost:8080, interval: 5s}
    deploy:
      replicas: 3
      update_config: {parallelism: 1, order: start-first}
      resources: {limits: {cpus: "0.5", memory: 128M}, reservations: {memory: 64M}}
      placement: {constraints: [node.labels.zone == a]}
      labels:
        traefik.enable: "true"
        traefik.http.routers.service-%03d.rule: Host(`+"`service-%03d.example.com`"+`)
        traefik.http.services.service-%03d.loadbalancer.server.port: "8080"
`, i, i, i, (i+1)%200, 20000+i, before, i, i, i, i)
	}
	b.WriteString("networks: {front: {}, back: {internal: true}}\nconfigs: {settings: {content: 'a=b'}}\nsecrets: {password: {external: true}}\nvolumes:\n")
	for i := range 200 {
		fmt.Fprintf(&b, "  data-%03d:\n", i)
	}
	return []byte(b.String())
}

// BenchmarkConvert200 is to stay below a second and 100 MiB, which are those held at once.
func BenchmarkConvert200(b *testing.B) {
	r := Request{
		To: FormatKubernetes, Options: Options{Publish: PublishLoadBalancer},
		Input: Input{Name: "shop", Files: []Source{{Name: "-", Data: stackOf200()}}},
	}
	held := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before, most, done := held(), uint64(0), make(chan struct{})
	var watched sync.WaitGroup
	watched.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				most = max(most, held())
			}
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		out, err := Run(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(out.Result.Objects)), "objects")
	}
	close(done)
	watched.Wait()
	b.ReportMetric(float64(most-min(before, most))/(1<<20), "MiB-held")
}
