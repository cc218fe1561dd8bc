package e2e

import (
	"bufio"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func lines(text string) []string {
	return strings.Split(strings.TrimRight(text, "\n"), "\n")
}

func TestLogs(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	s.apply("deployment")
	pod := s.waitRunning("app=shop", 2)[0]
	eventually(t, 20*time.Second, func() error {
		if got := lines(s.kubectl("logs", pod)); len(got) < 5 || got[0] != "line 1" || got[4] != "line 5" {
			return fmt.Errorf("logs are %q", got)
		}
		return nil
	})

	if got := lines(s.kubectl("logs", pod, "--tail=3")); len(got) != 3 {
		t.Errorf("--tail=3 gives %q", got)
	}
	if got := s.kubectl("logs", pod, "--tail=0"); got != "" {
		t.Errorf("--tail=0 gives %q", got)
	}
	all, since := lines(s.kubectl("logs", pod)), lines(s.kubectl("logs", pod, "--since=1s"))
	if len(since) == 0 || len(since) > 4 || len(since) >= len(all) {
		t.Errorf("--since=1s gives %d of %d lines", len(since), len(all))
	}
	stamp := time.Now().Add(-time.Second)
	for _, line := range lines(s.kubectl("logs", pod, "--timestamps", "--since-time="+stamp.UTC().Format(time.RFC3339Nano))) {
		when, rest, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339Nano, when)
		if err != nil || !strings.HasPrefix(rest, "line ") || at.Before(stamp.Truncate(time.Second)) {
			t.Errorf("with --timestamps a line is %q (since %v)", line, stamp)
		}
	}
	if got := lines(s.kubectl("logs", "-l", "app=shop", "--tail=2", "--prefix")); len(got) != 4 {
		t.Errorf("-l with --tail=2 over two Pods gives %q", got)
	}
	contains(t, s.kubectl("logs", "deployment/shop", "--tail=1"), "line ")
	contains(t, s.refused("", "logs", pod, "-c", "nosuch"), "nosuch")
	contains(t, s.refused("", "logs", "nosuch"), "not found")

	follow := exec.CommandContext(t.Context(), kubectlBin, s.args([]string{"logs", "-f", "--tail=1", pod})...)
	out, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	begin, scan := time.Now(), bufio.NewScanner(out)
	for n := 0; n < 4; n++ {
		if !scan.Scan() {
			t.Fatalf("-f ended after %d lines", n)
		}
	}
	if took := time.Since(begin); took < time.Second || took > 10*time.Second {
		t.Errorf("-f gave 4 lines, written 500 ms apart, in %v", took)
	}
	// Following ends with the Pod.
	s.kubectl("delete", "deployment", "shop", "--timeout=30s")
	ended := make(chan struct{})
	go func() {
		for scan.Scan() { // drain
		}
		_ = follow.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("-f does not end with its Pod")
		_ = follow.Process.Kill()
	}
}

func TestLogsOfTheDead(t *testing.T) {
	t.Parallel()
	needContainers(t)
	s := newSpace(t)
	for name, policy := range map[string]string{"crash": "Always", "once": "Never"} {
		s.applyText(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  restartPolicy: %s
  containers:
  - name: main
    image: skep-test:v1
    command: ["/bin/sh", "-c", "echo born; echo dying >&2; sleep 1; exit 1"]
`, name, policy))
	}
	s.waitField(30*time.Second, "pod/once", ".status.phase", "Failed")
	contains(t, s.kubectl("logs", "once"), "born", "dying")
	contains(t, s.kubectl("logs", "-f", "once"), "born") // ends by itself
	contains(t, s.refused("", "logs", "--previous", "once"), "previous terminated container")

	eventually(t, 40*time.Second, func() error {
		out, err := s.try("logs", "--previous", "crash")
		if err == nil && (!strings.Contains(out, "born") || !strings.Contains(out, "dying")) {
			return fmt.Errorf("--previous says %q", out)
		}
		return err
	})
}
