package sandbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/probe"
	probegrpc "k8s.io/kubernetes/pkg/probe/grpc"
	probehttp "k8s.io/kubernetes/pkg/probe/http"
	probetcp "k8s.io/kubernetes/pkg/probe/tcp"
)

// handlers ask a container over the network, with upstream's probes.
type handlers struct {
	http      probehttp.Prober
	tcp       probetcp.Prober
	grpc      probegrpc.Prober
	transport *http.Transport // of hooks
}

func newHandlers() handlers {
	return handlers{
		http: probehttp.New(false), tcp: probetcp.New(), grpc: probegrpc.New(),
		transport: &http.Transport{
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // as a kubelet: a Pod's own certificate is nobody's
			DisableKeepAlives: true,
		},
	}
}

// probeTries is how often a probe is tried whose outcome is no answer.
const probeTries = 3

// probe asks once: whether the answer is good, what to say of it in an event, and an error if there is no answer to judge.
func (s *Sandbox) probe(ctx context.Context, c *corev1.Container, id string, p *corev1.Probe) (result probe.Result, output string, err error) {
	for range probeTries {
		if result, output, err = s.handle(ctx, c, id, p); err == nil || ctx.Err() != nil {
			break
		}
	}
	return result, output, err
}

func (s *Sandbox) handle(ctx context.Context, c *corev1.Container, id string, p *corev1.Probe) (probe.Result, string, error) {
	timeout := seconds(max(p.TimeoutSeconds, 1))
	host := s.Pod.Status.PodIP
	switch {
	case p.Exec != nil:
		return s.execProbe(ctx, c, id, p.Exec.Command, timeout)
	case p.HTTPGet != nil:
		req, err := probehttp.NewRequestForHTTPGetAction(p.HTTPGet, c, host, "probe")
		if err != nil {
			return probe.Unknown, "", err
		}
		return s.probes.http.Probe(req, timeout)
	case p.TCPSocket != nil:
		port, err := probe.ResolveContainerPort(p.TCPSocket.Port, c)
		if err != nil {
			return probe.Unknown, "", err
		}
		if p.TCPSocket.Host != "" {
			host = p.TCPSocket.Host
		}
		return s.probes.tcp.Probe(host, port, timeout)
	case p.GRPC != nil:
		service := ""
		if p.GRPC.Service != nil {
			service = *p.GRPC.Service
		}
		return s.probes.grpc.Probe(host, service, int(p.GRPC.Port), timeout, probegrpc.ProbeOptions{})
	default:
		return probe.Unknown, "", fmt.Errorf("missing probe handler for %s:%s", s.fullName(), c.Name)
	}
}

func (s *Sandbox) execProbe(ctx context.Context, c *corev1.Container, id string, command []string, timeout time.Duration) (probe.Result, string, error) {
	command = expandStatic(command, c.Env)
	timed, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	code, output, err := s.Engine.Exec(timed, id, command)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return probe.Failure, fmt.Sprintf("command timed out: %q timed out after %v", strings.Join(command, " "), timeout), nil
	case err != nil:
		return probe.Unknown, "", err
	case code != 0:
		return probe.Failure, string(output), nil
	default:
		return probe.Success, string(output), nil
	}
}
