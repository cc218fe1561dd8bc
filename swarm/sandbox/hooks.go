package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	probehttp "k8s.io/kubernetes/pkg/probe/http"
)

// hookTimeout is how long an HTTP hook's server may take to answer, as a kubelet has it.
const hookTimeout = 10 * time.Second

// hook runs a postStart or preStop handler. Its error may quote what a command wrote.
func (s *Sandbox) hook(ctx context.Context, c *corev1.Container, id string, h *corev1.LifecycleHandler) error {
	switch {
	case h.Exec != nil:
		code, output, err := s.Engine.Exec(ctx, id, h.Exec.Command)
		if err == nil && code != 0 {
			err = fmt.Errorf("command '%s' exited with %d: %s", strings.Join(h.Exec.Command, " "), code, output)
		}
		if err != nil {
			return fmt.Errorf("Exec lifecycle hook (%v) for Container %q in Pod %q failed - error: %w, message: %q",
				h.Exec.Command, c.Name, s.fullName(), err, output)
		}
		return nil
	case h.HTTPGet != nil:
		if err := s.httpHook(ctx, c, h.HTTPGet); err != nil {
			return fmt.Errorf("HTTP lifecycle hook (%s) for Container %q in Pod %q failed - error: %w",
				h.HTTPGet.Path, c.Name, s.fullName(), err)
		}
		return nil
	case h.Sleep != nil:
		if !sleep(ctx, seconds(h.Sleep.Seconds)) {
			return fmt.Errorf("Sleep lifecycle hook (%d) for Container %q in Pod %q failed - error: container terminated before sleep hook finished", //nolint:staticcheck // the kubelet's words, which users see
				h.Sleep.Seconds, c.Name, s.fullName())
		}
		return nil
	default:
		return errors.New("invalid handler: it has none of exec, httpGet and sleep")
	}
}

// httpHook asks the server; any answer will do. One that speaks no TLS is asked again without.
func (s *Sandbox) httpHook(ctx context.Context, c *corev1.Container, get *corev1.HTTPGetAction) error {
	req, err := probehttp.NewRequestForHTTPGetAction(get, c, s.Pod.Status.PodIP, "lifecycle")
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: hookTimeout, Transport: s.probes.transport}
	err = ask(client, req.WithContext(ctx))
	if err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		req = req.Clone(ctx)
		req.URL.Scheme = "http"
		req.Header.Del("Authorization")
		return ask(client, req)
	}
	return err
}

func ask(client *http.Client, req *http.Request) error {
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, execOutput))
	return err
}
