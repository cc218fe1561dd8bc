package agent_test

import (
	"bufio"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
)

// idleMemory is how much an agent may hold that has nothing to do, in KiB.
const idleMemory = 40 << 10

// process is a stage whose agent is a process of its own, reached over mutual TLS as on another node.
func (s *stage) process(t *testing.T) (*stage, int) {
	t.Helper()
	ours, dir := newAuthority(t), t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	binaries, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ours.cert.Raw})
	cert, key := ours.issue(t, "skep-agent")
	agent := exec.CommandContext(t.Context(), write("skep-agent", binaries["skep-agent"]), "--listen", "127.0.0.1:0", "--image", testImage,
		"--docker-host", s.docker.DaemonHost(), "--cert", write("cert", cert), "--key", write("key", key), "--client-ca", write("ca", ca))
	said, err := agent.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = agent.Process.Signal(syscall.SIGTERM)
		if _, err := agent.Process.Wait(); err != nil {
			t.Error(err)
		}
	})
	lines := bufio.NewReader(said)
	first, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(first, err)
	}
	go func() { _, _ = io.Copy(os.Stderr, lines) }()
	cert, key = ours.issue(t, "skep-gateway")
	return &stage{
		docker: s.docker, url: "https://" + first[strings.LastIndex(first, " ")+1:len(first)-1],
		tls: rest.TLSClientConfig{CAData: ca, CertData: cert, KeyData: key, ServerName: "skep-agent"},
	}, agent.Process.Pid
}

// resident is a process's memory in KiB, and the number of its files and sockets.
func resident(t *testing.T, pid int) (kib, files int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	if kib, err = strconv.Atoi(strings.Fields(rest)[0]); err != nil {
		t.Fatal(err)
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return kib, len(open)
}

// After much work, of which some was dropped, an agent is as small as it was.
func TestIdleAfterWork(t *testing.T) {
	direct := newStage(t)
	s, pid := direct.process(t)
	id := direct.serving(t, "", "")
	worker := direct.idle(t)
	before, filesBefore := resident(t, pid)
	var all sync.WaitGroup
	all.Go(func() {
		var out bytes.Buffer
		o := remotecommand.StreamOptions{Stdin: io.LimitReader(zeros{}, 100<<20), Stdout: &out}
		if err := s.exec(t.Context(), t, worker, o, "wc", "-c"); err != nil || strings.TrimSpace(out.String()) != "104857600" {
			t.Errorf("exec over TLS: %q (%v)", out.String(), err)
		}
	})
	addr, _, stop := s.forward(t, id, 7007)
	for i := range 50 {
		all.Go(func() {
			data := bytes.Repeat([]byte{byte(i)}, 1<<20)
			if got, err := send(addr, bytes.NewReader(data)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("connection %d over TLS: %d bytes (%v)", i, len(got), err)
			}
		})
	}
	all.Wait()
	busy, _ := resident(t, pid)
	stop()
	after, filesAfter := 0, 0
	defer func() {
		t.Logf("KiB: %d at start, %d after work, %d idle; files: %d, %d", before, busy, after, filesBefore, filesAfter)
	}()
	eventually(t, "the agent is small and has let go of its connections", func() bool {
		after, filesAfter = resident(t, pid)
		return after <= idleMemory && filesAfter <= filesBefore+4
	})
}
