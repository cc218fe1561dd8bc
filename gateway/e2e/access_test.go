package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Without credentials there is nothing to see but that the gateway lives, and which version it is.
func TestAnonymous(t *testing.T) {
	t.Parallel()
	needStage(t)
	g := stage.gateway
	for path, want := range map[string]int{
		"/livez": http.StatusOK, "/readyz": http.StatusOK, "/version": http.StatusOK,
		"/api": http.StatusUnauthorized, "/apis": http.StatusUnauthorized, "/api/v1/nodes": http.StatusUnauthorized,
		"/apis/apps/v1/namespaces/default/deployments": http.StatusUnauthorized, "/openapi/v2": http.StatusUnauthorized,
		"/metrics": http.StatusUnauthorized, "/debug/pprof/": http.StatusUnauthorized,
	} {
		if got, body, err := g.anonymous(path); err != nil || got != want {
			t.Errorf("%s answers %d, want %d (%v): %.80s", path, got, want, err, body)
		}
	}
	if got, _, err := g.anonymous("/api", "Authorization", "Bearer wrong"); err != nil || got != http.StatusUnauthorized {
		t.Errorf("a wrong token is answered with %d (%v)", got, err)
	}
	_, body, err := g.anonymous("/version")
	if err != nil || !strings.Contains(body, `"v1.37.2"`) {
		t.Errorf("/version says %s (%v)", body, err)
	}
}

// Profiles are for administrators.
func TestProfiles(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	contains(t, s.kubectl("get", "--raw", "/debug/pprof/goroutine?debug=1"), "goroutine profile: total")
}

// Credentials are for their owner's eyes.
func TestCredentialFiles(t *testing.T) {
	t.Parallel()
	needStage(t)
	for _, file := range []string{stage.gateway.dataDir, stage.gateway.kubeconfig} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", file, info.Mode())
		}
	}
	err := filepath.WalkDir(stage.gateway.dataDir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %v, want 0600", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The kubeconfig that is written leaves other contexts alone.
func TestKubeconfig(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	file := filepath.Join(t.TempDir(), "config")
	const other = `apiVersion: v1
kind: Config
current-context: other
clusters: [{name: other, cluster: {server: "https://other.example"}}]
contexts: [{name: other, context: {cluster: other, user: other}}]
users: [{name: other, user: {token: abc}}]
`
	if err := os.WriteFile(file, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := skep(t, "kubeconfig", "--data-dir", s.gateway.dataDir, "--server", "https://"+s.gateway.listen, "--kubeconfig", file)
	if code != 0 {
		t.Fatal(stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(text), "https://other.example", "token: abc", "name: skep", "https://"+s.gateway.listen)
	moved := *s.gateway
	moved.kubeconfig = file
	contains(t, s.through(&moved).kubectl("--context", "skep", "get", "namespaces"), s.ns)

	code, stdout, stderr := skep(t, "kubeconfig", "--data-dir", s.gateway.dataDir, "--server", "https://"+s.gateway.listen, "--kubeconfig", "-")
	if code != 0 || !strings.Contains(stdout, "client-certificate-data") {
		t.Errorf("to standard output: %d %s%s", code, stdout, stderr)
	}
}

// No engine: one sentence that says what to do, and exit code 1.
func TestNoEngine(t *testing.T) {
	t.Parallel()
	needStage(t)
	begin := time.Now()
	code, stderr := serveFails(t, "unix:///nonexistent/docker.sock")
	oneSentence(t, code, stderr, "/nonexistent/docker.sock")
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v to say so", took)
	}
	if code, stdout, _ := skep(t, "version"); code != 0 || !strings.Contains(stdout, "v1.37.2") {
		t.Errorf("skep version: %d %s", code, stdout)
	}
	if code, _, stderr := skep(t, "serve", "--nosuch"); code == 0 || !strings.Contains(stderr, "unknown flag") {
		t.Errorf("an unknown flag: %d %s", code, stderr)
	}
}

// oneSentence fails the test unless the program ended with 1 and one line on stderr that names what is wrong.
func oneSentence(t *testing.T, code int, stderr string, parts ...string) {
	t.Helper()
	if code != 1 || len(lines(stderr)) != 1 {
		t.Errorf("exit code %d, want 1 and one line:\n%s", code, stderr)
	}
	contains(t, stderr, parts...)
}

// SIGTERM ends the gateway within 10 s, whatever is open.
func TestSigterm(t *testing.T) {
	t.Parallel()
	s := newSpace(t)
	g := another(t)
	w := s.through(g).watch(deployments)
	begin := time.Now()
	g.stop()
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if code := g.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, tail(g.log, 10))
	}
	eventually(t, 2*time.Second, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.ended {
			return os.ErrDeadlineExceeded
		}
		return nil
	})
}
