package nginx

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// needNginx skips a test where nginx is not installed.
func needNginx(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Skip("needs nginx with its stream module: run `make test`, which installs it, or apt-get install nginx libnginx-mod-stream")
	}
}

// install writes a configuration that keeps its files in a directory of its own.
func install(t *testing.T, config string) (path string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the workers are somebody else
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	config = strings.NewReplacer(" "+runDir+"/nginx", " "+dir+"/nginx", "unix:"+runDir, "unix:"+dir).Replace(config)
	config = strings.Replace(config, "worker_processes auto;", "worker_processes 2;", 1)
	path = filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// mustAccept has nginx read a configuration.
func mustAccept(t *testing.T, config string) {
	t.Helper()
	needNginx(t)
	out, err := exec.Command("nginx", "-t", "-c", install(t, config)).CombinedOutput()
	if err != nil {
		t.Fatalf("nginx refuses it: %v\n%s\n%s", err, out, config)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "[warn]") {
			t.Errorf("nginx warns: %s", line)
		}
	}
}

// run starts nginx and waits until its first port answers.
func run(t *testing.T, config string, port int32) *process {
	t.Helper()
	needNginx(t)
	log := &process{done: make(chan struct{})}
	cmd := exec.Command("nginx", "-c", install(t, config), "-g", "daemon off;")
	cmd.Stdout, cmd.Stderr, log.Cmd = log, log, cmd
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(log.done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-log.done
		if t.Failed() {
			t.Logf("nginx said:\n%s", log.String())
		}
	})
	for range 200 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = c.Close()
			return log
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nginx does not answer:\n%s", log.String())
	return nil
}

// process is an nginx that runs, and what it said.
type process struct {
	*exec.Cmd
	done chan struct{} // closed when it has ended
	lock sync.Mutex
	said bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.said.Write(b)
}

func (p *process) String() string {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.said.String()
}

// freePort is one that nobody listens at.
func freePort(t *testing.T) int32 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return portOf(l.Addr())
}

func portOf(a net.Addr) int32 {
	return int32(netip.MustParseAddrPort(a.String()).Port())
}

// names are what the DNS server of a test knows.
type names map[string][]string

var namesLock sync.Mutex

// set changes a name while the server runs.
func (n names) set(name string, ips ...string) {
	namesLock.Lock()
	defer namesLock.Unlock()
	n[name] = ips
}

// serve answers questions for names until the test ends, and returns its address.
func (n names) serve(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() { cancel(); _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for ctx.Err() == nil {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer, err := n.answer(buf[:size]); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

func (n names) answer(query []byte) ([]byte, error) {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	namesLock.Lock()
	defer namesLock.Unlock()
	ips, ok := n[strings.TrimSuffix(q.Name.String(), ".")]
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: head.ID, Response: true, RecursionAvailable: true}, Questions: []dnsmessage.Question{q}}
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, ip := range ips {
		a := dnsmessage.AResource{}
		binary.BigEndian.PutUint32(a.A[:], binary.BigEndian.Uint32(net.ParseIP(ip).To4()))
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: &a})
	}
	return m.Pack()
}

// accepted is mustAccept where nginx is installed.
func accepted(t *testing.T, config string) {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err == nil {
		mustAccept(t, config)
	}
}

// checkBalance reads a configuration as nginx does: words, in quotes or not, and directives that end in ";" or braces.
func checkBalance(t *testing.T, config string) {
	t.Helper()
	depth, quoted, comment, escaped := 0, false, false, false
	for _, c := range config {
		switch {
		case comment:
			comment = c != '\n'
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted && c == '\n':
			t.Fatalf("a line ends in quotes:\n%s", config)
		case quoted:
		case c == '#':
			comment = true
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth < 0 {
				t.Fatalf("more braces end than begin:\n%s", config)
			}
		}
	}
	if depth != 0 || quoted {
		t.Fatalf("unbalanced:\n%s", config)
	}
}
