package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// The law of conversion, with everyone's own programs: what the Swarm holds after `docker stack deploy S` is what it
// holds after `skep convert S | kubectl apply`, as `skep convert --from-stack` tells of both. No container is started:
// the Swarm's one node takes no tasks.
func TestLaw(t *testing.T) {
	t.Parallel()
	needStage(t)
	files := lawFiles(t)
	s := lawSwarm(t)
	taken := 0
	for i, file := range files {
		t.Run(strings.TrimPrefix(file, top), func(t *testing.T) {
			l := law{space: *s, file: file}
			l.t, l.ns = t, fmt.Sprintf("law%d", i)
			if l.walk() {
				taken++
			}
		})
	}
	t.Logf("%d of %d files are such that docker stack deploy takes them", taken, len(files))
	if taken < len(files)/4 {
		t.Errorf("docker stack deploy took only %d of %d files", taken, len(files))
	}
}

// lawFiles are our own stack files, and those of the corpus where it is there.
func lawFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, dir := range []string{"testdata/compose", "testdata/stacks", "../shared/compose/stacks"} {
		found := len(files)
		err := filepath.WalkDir(filepath.Join(top, dir), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && slices.Contains([]string{".yml", ".yaml"}, filepath.Ext(path)) && isCompose(path) {
				files = append(files, path)
			}
			return err
		})
		switch {
		case os.IsNotExist(err):
			t.Logf("%s is not here: its stacks are not tried", dir)
		case err != nil:
			t.Fatal(err)
		case len(files) == found:
			t.Fatalf("%s has no stacks", dir)
		}
	}
	return files
}

// isCompose tells stacks from the files that they mount.
func isCompose(path string) bool {
	data, err := os.ReadFile(path)
	return err == nil && regexp.MustCompile(`(?m)^services:`).Match(data)
}

// lawSwarm is a Swarm whose node takes no tasks, with a gateway.
func lawSwarm(t *testing.T) *space {
	t.Helper()
	dir := t.TempDir()
	o := options{dataDir: filepath.Join(dir, "data"), dir: dir, mode: "vip"} // as where the kernel has IPVS: nothing runs here
	if simulated {
		host, control, end, err := simulate(filepath.Join(dir, "swarm"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(end)
		o.dockerHost, o.control = host, control
	} else {
		r := rig{dir: os.Getenv("ENGINE_DIR") + "-law"}
		if os.Getenv("ENGINE_DIR") == "" {
			r.dir = fmt.Sprintf("%s/skep-law-%d", os.TempDir(), os.Getpid())
		}
		t.Cleanup(func() {
			if _, err := r.run(context.Background(), "down"); err != nil {
				t.Error(err)
			}
		})
		if _, err := r.run(t.Context(), "up"); err != nil {
			t.Fatal(err)
		}
		o.dockerHost, o.control = r.host(1), r.control(1)
	}
	g, err := start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.stop)
	s := spaceOn(t, g, o.dockerHost, "law")
	s.docker("node", "update", "--availability", "drain", s.docker("node", "ls", "-q"))
	return s
}

// law is one file's walk.
type law struct {
	space
	file    string
	ignored bool // docker stack deploy said that it does not hear all that the file says
}

// walk goes both ways and compares; false where Docker does not take the file.
func (l *law) walk() bool {
	if !l.deploy() {
		return false
	}
	deployed := l.holds()
	l.gone()

	code, manifests, told := skep(l.t, append([]string{"convert", "-f", l.file, "--stack", l.ns}, l.envFiles()...)...)
	if code != 0 {
		l.t.Fatalf("skep convert: %s", told)
	}
	defer func() {
		_, _ = l.try("delete", "--ignore-not-found", "namespace", l.ns, "--timeout=60s")
		_, _ = l.try("delete", "--ignore-not-found", "pv", "-l", "app.kubernetes.io/part-of="+l.ns, "--timeout=60s")
		l.gone()
	}()
	l.kubectlIn(manifests, "apply", "-f", "-")
	l.kubectlIn(manifests, "apply", "--dry-run=server", "-f", "-")
	applied := l.holds()
	text, err := os.ReadFile(l.file)
	if err != nil {
		l.t.Fatal(err)
	}
	for name, service := range applied { // docker stack deploy says what it does not do
		m := service.(map[string]any)
		if fmt.Sprint(m["entrypoint"]) == "[/skep-pod]" && l.ignored {
			delete(applied, name)
			delete(deployed, name)
		}
	}
	for _, d := range differences("", deployed, applied) {
		d = strings.ReplaceAll(d, `"`+filepath.Dir(l.file)+"/", `"PROJECT/`)
		if i := slices.IndexFunc(lawRows, func(r lawRow) bool { return r.explains(d, string(text)) }); i < 0 {
			l.t.Errorf("docker stack deploy, skep convert: %s", d)
		}
	}
	return true
}

// missing are what docker stack deploy says of something that is made elsewhere.
var (
	missingNetwork = regexp.MustCompile(`network "([^"]+)" is declared as external, but could not be found`)
	missingSecret  = regexp.MustCompile(`secret not found: (\S+)`)
	missingConfig  = regexp.MustCompile(`config not found: (\S+)`)
)

// deploy deploys the stack; what it takes for granted is made. false where Docker does not take the file.
func (l *law) deploy() bool {
	for range 20 {
		out, err := l.dockerDeploy()
		switch {
		case err == nil:
			l.ignored = strings.Contains(out, "Ignoring unsupported options")
			return true
		case missingNetwork.MatchString(out):
			l.docker("network", "create", "-d", "overlay", "--attachable", missingNetwork.FindStringSubmatch(out)[1])
		case missingSecret.MatchString(out):
			l.made("secret", missingSecret.FindStringSubmatch(out)[1])
		case missingConfig.MatchString(out):
			l.made("config", missingConfig.FindStringSubmatch(out)[1])
		default:
			l.t.Logf("not Docker's: %s", strings.TrimSpace(out))
			l.gone()
			return false
		}
	}
	l.t.Fatal("docker stack deploy misses ever more")
	return false
}

func (l *law) made(kind, name string) {
	l.t.Helper()
	if out, err := run(l.t.Context(), "made elsewhere", "docker", "-H", l.dockerHost, kind, "create", name, "-"); err != nil {
		l.t.Fatalf("%v\n%s", err, out)
	}
}

func (l *law) dockerDeploy() (string, error) {
	cmd := exec.CommandContext(l.t.Context(), "docker", "-H", l.dockerHost, "stack", "deploy", "--resolve-image", "never", "-c", l.file, l.ns)
	cmd.Env = os.Environ()
	for _, name := range l.envFiles() {
		if data, err := os.ReadFile(name); err == nil {
			for _, line := range strings.Split(string(data), "\n") {
				if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
					cmd.Env = append(cmd.Env, key+"="+strings.Trim(value, `"'`))
				}
			}
		}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// envFiles has the file's variables, which docker compose reads by itself and docker stack does not.
func (l *law) envFiles() []string {
	if name := filepath.Join(filepath.Dir(l.file), ".env"); exists(name) {
		return []string{"--env-file", name}
	}
	return nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// holds is the stack that the Swarm has, as a stack file says it; configs and secrets by what is in them.
func (l *law) holds() map[string]any {
	l.t.Helper()
	dir := filepath.Join(l.t.TempDir(), "out")
	if code, _, told := skep(l.t, "convert", "--from-stack", l.ns, "--to", "compose", "--docker-host", l.dockerHost, "-o", dir); code != 0 {
		l.t.Fatalf("skep convert --from-stack: %s", told)
	}
	text, err := os.ReadFile(filepath.Join(dir, "compose.yaml"))
	if err != nil {
		l.t.Fatal(err)
	}
	var file struct {
		Services map[string]any
		Configs  map[string]lawData
		Secrets  map[string]lawData
		Volumes  map[string]struct{ Name string }
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		l.t.Fatalf("%v\n%s", err, text)
	}
	if len(file.Services) == 0 {
		l.t.Fatalf("no services in\n%s", text)
	}
	for key, service := range file.Services {
		m := service.(map[string]any)
		if name := notInNames.ReplaceAllString(strings.ToLower(key), "-"); name != key { // Kubernetes' names are so
			delete(file.Services, key)
			file.Services[name] = service
		}
		for _, ref := range items(m["configs"]) {
			source := file.Configs[ref["source"].(string)]
			target := either(ref["target"], "/"+ref["source"].(string))
			if data, err := os.ReadFile(filepath.Join(dir, source.File)); err == nil && source.File != "" {
				ref["source"] = string(data)
			}
			ref["target"] = target
		}
		for _, ref := range items(m["secrets"]) {
			target := either(ref["target"], ref["source"].(string))
			if !filepath.IsAbs(target) {
				target = filepath.Join("/run/secrets", target)
			}
			ref["source"], ref["target"] = "a secret's data cannot be read back", target
		}
		for _, ref := range items(m["volumes"]) {
			if source, ok := ref["source"].(string); ok && ref["type"] == "volume" {
				if ref["source"] = file.Volumes[source].Name; ref["source"] == "" {
					ref["source"] = l.ns + "_" + source
				}
			}
		}
		lawSame(m)
	}
	return file.Services
}

type lawData struct{ File, Name string }

func items(list any) []map[string]any {
	var all []map[string]any
	values, _ := list.([]any)
	for _, v := range values {
		if m, ok := v.(map[string]any); ok {
			all = append(all, m)
		}
	}
	return all
}

func either(value any, otherwise string) string {
	if text, ok := value.(string); ok && text != "" {
		return text
	}
	return otherwise
}

// lawSame takes away what makes no difference to a Swarm, its defaults where they are said and others' way to write the
// same, and what is bookkeeping: labels of Kubernetes' own, the name that a Pod has for a hostname, where names are searched.
func lawSame(service map[string]any) {
	deploy, _ := service["deploy"].(map[string]any)
	for _, of := range []map[string]any{service, deploy} {
		labels, _ := of["labels"].(map[string]any)
		for key := range labels {
			if strings.HasPrefix(key, "app.kubernetes.io/") || strings.HasPrefix(key, "batch.kubernetes.io/") ||
				slices.Contains([]string{"controller-revision-hash", "pod-template-hash", "job-name", "controller-uid"}, key) {
				delete(labels, key)
			}
		}
	}
	if name, _ := service["hostname"].(string); strings.Contains(name, ".Task.") {
		delete(service, "hostname")
	}
	if search := fmt.Sprint(service["dns_search"]); strings.Contains(search, "svc.cluster.local") {
		list := service["dns_search"].([]any)
		service["dns_search"] = list[3:] // the cluster's stand before those of the file
		if len(list) == 3 {
			delete(service, "dns_search")
		}
	}
	if image, _ := service["image"].(string); !strings.Contains(filepath.Base(image), ":") {
		service["image"] = image + ":latest"
	}
	for _, byDefault := range []struct{ at, value string }{
		{"stop_grace_period", "10s"},
		{"healthcheck.interval", "30s"},
		{"healthcheck.timeout", "30s"},
		{"healthcheck.retries", "3"},
		{"deploy.restart_policy.condition", "any"},
		{"deploy.restart_policy.delay", "5s"},
		{"deploy.restart_policy.max_attempts", "0"},
		{"deploy.update_config.parallelism", "1"},
		{"deploy.update_config.order", "stop-first"},
		{"deploy.update_config.failure_action", "pause"},
		{"deploy.replicas", "1"},
		{"deploy.mode", "replicated"},
	} {
		without(service, strings.Split(byDefault.at, "."), byDefault.value)
	}
	if mode := fmt.Sprint(deploy["mode"]); strings.HasSuffix(mode, "-job") { // SwarmKit takes any for on-failure there
		without(service, []string{"deploy", "restart_policy", "condition"}, "on-failure")
	}
	placement, _ := deploy["placement"].(map[string]any)
	constraints, _ := placement["constraints"].([]any)
	for i, c := range constraints {
		constraints[i] = strings.Join(strings.Fields(c.(string)), "")
		if constraints[i] == "node.role==worker" { // there are two roles
			constraints[i] = "node.role!=manager"
		}
	}
	slices.SortFunc(constraints, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	for _, m := range items(service["volumes"]) {
		for _, key := range []string{"source", "target"} {
			if text, _ := m[key].(string); strings.HasPrefix(text, "/") {
				m[key] = filepath.Clean(text)
			}
		}
	}
	for _, list := range []string{"volumes", "configs", "secrets"} { // by the places where they are
		at := map[string]any{}
		for _, m := range items(service[list]) {
			at[fmt.Sprint(m["target"])] = m
		}
		if delete(service, list); len(at) > 0 {
			service[list] = at
		}
	}
	if test, _ := service["healthcheck"].(map[string]any); test != nil && fmt.Sprint(test) == "map[]" {
		delete(service, "healthcheck")
	}
}

// without takes a value away where it is the default, and what is empty without it.
func without(m map[string]any, path []string, value string) {
	if len(path) == 1 {
		if fmt.Sprint(m[path[0]]) == value {
			delete(m, path[0])
		}
		return
	}
	if below, ok := m[path[0]].(map[string]any); ok {
		if without(below, path[1:], value); len(below) == 0 {
			delete(m, path[0])
		}
	}
}

// gone removes what is left of the stack: Docker does not wait for tasks before it removes their networks.
func (l *law) gone() {
	l.t.Helper()
	eventually(l.t, 60*time.Second, func() error {
		if out, err := run(l.t.Context(), "", "docker", "-H", l.dockerHost, "stack", "rm", l.ns); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		for _, kind := range []string{"service", "network", "config", "secret"} {
			if left := l.docker(kind, "ls", "-q", "--filter", "label=com.docker.stack.namespace="+l.ns); left != "" {
				return fmt.Errorf("%ss of the stack are left: %s", kind, left)
			}
		}
		return nil
	})
}

// lawRow explains differences: at matches a difference behind the service's name. in is what the stack file must have for
// it; "" for nothing of its own.
type lawRow struct{ at, in, why string }

func (r lawRow) explains(difference, file string) bool {
	return regexp.MustCompile(`^[a-z0-9-]+`+r.at).MatchString(difference) && regexp.MustCompile(r.in).MatchString(file)
}

var lawRows = []lawRow{
	{`\.networks`, "", "Pods share skep's overlay, and names are found by namespace; NetworkPolicies part them"},
	{`\.(deploy\.)?labels: (null, \{\}|\{\}, null)$`, "", "bookkeeping"},
	{`\.deploy: null, \{"labels":\{\}\}`, "", "bookkeeping"},
	{`\.volumes\.[^:]*\.volume: null, \{"nocopy":true\}`, `volumes`, "nothing is copied into a claim; the table of keys tells"},
	{`\.volumes\.[^:]*(\.source)?: .*/srv/law`, `volumes`, "a path of the machine that docker stack deploy runs on; the table of keys tells"},
	{`\.volumes\.[^:]*: .*"type":"volume".*, null$`, `driver`, "the volume of a driver is a claim of a class that someone has to make; the table of keys tells"},
	{`\.volumes: .*"type":"volume".*, null$`, `driver`, "as above"},
	{`\.volumes\.[^:]*\.type: "cluster", "volume"$`, `cluster`, "a cluster volume is a claim of a class; the table of keys tells"},
	{`\.volumes\.[^:]*: .*"type":"cluster"\}, null$`, `cluster`, "as above"},
	{`\.volumes\.[^:]*\.(source|tmpfs|type|volume): ("law\d+_\w+", null|null, \{"size":\d+\}|"volume", "tmpfs"|\{"nocopy":true\}, null)$`, `tmpfs`, "a volume in memory is one without a name; the table of keys tells"},
	{`\.volumes\.[^:]*\.source: ".*\.Task\.Slot.*", ".*\.Task\.Slot`, `\.Task\.Slot`, "the claims of a StatefulSet are named after it and its Pods' numbers"},
	{`\.volumes(\.|: ).*"PROJECT/`, `volumes`, "a file of the project is in a ConfigMap; the table of keys tells"},
	{`\.configs(\.[^:]*)?: null, .*"source":"`, `volumes`, "as above"},
	{`\.deploy(\.placement)?(\.constraints)?: .*skep\.missing==(persistentvolumeclaim|secret|configmap)/`, `external|driver`, "what is made elsewhere is one of the namespace; the list of what to fill in tells"},
	{`\.(secrets|configs)(\.[^:]*)?: .*, null$`, `external|driver`, "as above"},
	{`\.(secrets|configs)\.[^:]*\.[ug]id: "[0-9]+", null$`, `[ug]id`, "the owner of a file; the table of keys tells"},
	{`\.deploy\.placement\.max_replicas_per_node: null, 1$`, `global-job`, "the Pods of a Job for each node keep apart, as a global job's tasks do by themselves"},
	{`\.deploy\.mode: null, "replicated-job"$`, `none|on-failure|restart: "?no`, "what is not started again after its end is a Job"},
	{`\.deploy: \{"restart_policy":\{"condition":"(none|on-failure)"\}\}, \{"mode":"replicated-job"`, `none|on-failure|restart: "?no`, "as above"},
	{`\.deploy\.restart_policy(\.condition)?: (\{"condition":)?"on-failure"\}?, null$`, `on-failure`, "a job's tasks are started again on failure only"},
}

// differences lists where two documents differ.
func differences(at string, a, b any) []string {
	if one, ok := a.(map[string]any); ok {
		if other, ok := b.(map[string]any); ok {
			var out []string
			keys := map[string]bool{}
			for k := range one {
				keys[k] = true
			}
			for k := range other {
				keys[k] = true
			}
			for k := range keys {
				out = append(out, differences(strings.TrimPrefix(at+"."+k, "."), one[k], other[k])...)
			}
			slices.Sort(out)
			return out
		}
	}
	one, _ := json.Marshal(a)   // out of YAML, so it can be said as JSON
	other, _ := json.Marshal(b) // as above
	if string(one) == string(other) {
		return nil
	}
	return []string{fmt.Sprintf("%s: %s, %s", at, one, other)}
}
