package e2e

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	skepBin    = filepath.Join(top, "bin/skep")
	kubectlBin = filepath.Join(top, "bin/kubectl")
)

// options say how a gateway is started. Gateways with the same dataDir have the same credentials.
type options struct {
	dockerHost string
	control    string // control socket; empty: none
	dataDir    string
	dir        string   // for log and kubeconfig
	listen     string   // empty: a free port on loopback
	mode       string   // --service-mode; empty: what the Swarm's kernel can do
	inside     []string // what runs a command in the network that the gateway and its kubectl are to be in; empty: here
}

// gateway is a running `skep serve`.
type gateway struct {
	options
	kubeconfig string
	log        string
	cmd        *exec.Cmd
	exited     chan struct{} // closed when the process is gone
}

// start runs `skep serve` and waits until it is ready.
func start(o options) (*gateway, error) {
	if o.listen == "" {
		free, err := freeAddress()
		if err != nil {
			return nil, err
		}
		o.listen = free
	}
	if o.control == "" {
		o.control = "none"
	}
	g := &gateway{options: o, kubeconfig: filepath.Join(o.dir, "kubeconfig"), log: filepath.Join(o.dir, "skep.log")}
	return g, g.launch()
}

// freeAddress is a port on loopback that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// launch starts the process of a gateway that is not running.
func (g *gateway) launch() error {
	log, err := os.OpenFile(g.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	command := append(slices.Clone(g.inside), skepBin, "serve", "--docker-host", g.dockerHost, "--control-socket", g.control,
		"--listen", g.listen, "--data-dir", g.dataDir, "--kubeconfig", g.kubeconfig, "--service-mode", cmp.Or(g.mode, serviceMode()))
	g.cmd = exec.Command(command[0], command[1:]...)
	g.cmd.Stdout, g.cmd.Stderr = log, log
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := g.cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	g.exited = exited
	cmd := g.cmd
	go func() { _ = cmd.Wait(); close(exited) }()

	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-exited:
			return fmt.Errorf("skep ended at once:\n%s", tail(g.log, 20))
		default:
		}
		if g.ready() {
			return nil
		}
	}
	g.kill()
	return fmt.Errorf("skep is not ready after 90 s:\n%s", tail(g.log, 20))
}

// ready says whether the gateway does.
func (g *gateway) ready() bool {
	if len(g.inside) > 0 {
		curl := append(slices.Clone(g.inside), "curl", "-ksf", "--max-time", "5", "https://"+g.listen+"/readyz")
		return exec.Command(curl[0], curl[1:]...).Run() == nil
	}
	status, _, err := g.anonymous("/readyz")
	return err == nil && status == http.StatusOK
}

// serviceMode is as on most machines where the Swarm is simulated: this one's kernel may lack what that needs.
func serviceMode() string {
	if simulated {
		return "vip"
	}
	return "auto"
}

// stop ends the gateway in an orderly way, and by force after 15 s.
func (g *gateway) stop() {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-g.exited:
	case <-time.After(15 * time.Second):
		g.kill()
	}
}

// kill is kill -9.
func (g *gateway) kill() {
	_ = g.cmd.Process.Kill()
	<-g.exited
}

// anonymous gets a path without credentials, and returns status and body.
func (g *gateway) anonymous(path string, header ...string) (int, string, error) {
	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
	req, err := http.NewRequest(http.MethodGet, "https://"+g.listen+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// another starts a second gateway over the stage's Swarm, with the same credentials, that ends with the test.
func another(t *testing.T) *gateway {
	t.Helper()
	needStage(t)
	g, err := start(options{
		dockerHost: stage.dockerHost, control: stage.control, dataDir: stage.gateway.dataDir, dir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.stop()
		if t.Failed() {
			t.Logf("the second gateway's log:\n%s", tail(g.log, 40))
		}
	})
	return g
}

// serveFails runs `skep serve` where it cannot work, and returns exit code and stderr.
func serveFails(t *testing.T, dockerHost string) (code int, stderr string) {
	t.Helper()
	listen, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	code, _, stderr = skep(t, "serve", "--docker-host", dockerHost, "--listen", listen, "--data-dir", t.TempDir())
	return code, stderr
}

// skep runs the program to its end and returns exit code, stdout and stderr.
func skep(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), skepBin, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// tail returns the last lines of a log that name one of the words; with no words, the last lines.
func tail(file string, lines int, words ...string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		if len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) }) {
			found = append(found, line)
		}
	}
	return strings.Join(found[max(0, len(found)-lines):], "")
}
