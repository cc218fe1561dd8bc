package sandbox

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kubernetes/pkg/probe"
)

// asker is a sandbox whose Pod's address is this machine's own.
func asker() *Sandbox {
	pod := podOf(corev1.RestartPolicyAlways, "a")
	pod.Status.PodIP = "127.0.0.1"
	return New(Config{Pod: pod})
}

func portOf(t *testing.T, address string) int32 {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	must(t, err)
	n, err := strconv.ParseInt(port, 10, 32)
	must(t, err)
	return int32(n)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // the test is over
	return l
}

// judge probes once and says how it went.
func judge(t *testing.T, c corev1.Container, h corev1.ProbeHandler) (probe.Result, string) {
	t.Helper()
	result, output, err := asker().probe(t.Context(), &c, "", &corev1.Probe{ProbeHandler: h, TimeoutSeconds: 20})
	if err != nil {
		output = err.Error()
	}
	return result, output
}

func TestHTTPProbes(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" || r.Header.Get("X-Key") != "k" || r.Host != "app.test" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	defer plain.Close()
	defer secure.Close()
	for scheme, address := range map[corev1.URIScheme]string{corev1.URISchemeHTTP: plain.URL, corev1.URISchemeHTTPS: secure.URL} {
		u, err := url.Parse(address)
		must(t, err)
		c := app("a")
		c.Ports = []corev1.ContainerPort{{Name: "web", ContainerPort: portOf(t, u.Host)}}
		get := &corev1.HTTPGetAction{
			Path: "/healthz", Port: intstr.FromString("web"), Scheme: scheme,
			HTTPHeaders: []corev1.HTTPHeader{{Name: "X-Key", Value: "k"}, {Name: "Host", Value: "app.test"}},
		}
		result, output := judge(t, c, corev1.ProbeHandler{HTTPGet: get})
		equal(t, string(scheme)+" "+output, result, probe.Success)
		bad := *get
		bad.Path = "/other"
		result, output = judge(t, c, corev1.ProbeHandler{HTTPGet: &bad})
		equal(t, string(scheme), result, probe.Failure)
		equal(t, "said", output, "HTTP probe failed with statuscode: 503")
		bad.Port = intstr.FromString("nosuch")
		result, _ = judge(t, c, corev1.ProbeHandler{HTTPGet: &bad})
		equal(t, "port without a number", result, probe.Unknown)
	}
}

func TestTCPAndGRPCProbes(t *testing.T) {
	l := listen(t)
	result, output := judge(t, app("a"), corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(portOf(t, l.Addr().String()))}})
	equal(t, "tcp "+output, result, probe.Success)
	closed := listen(t)
	port := portOf(t, closed.Addr().String())
	must(t, closed.Close())
	result, output = judge(t, app("a"), corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(port)}})
	equal(t, "closed port", result, probe.Failure)
	equal(t, "says why", strings.Contains(output, "connection refused"), true)

	server, checks := grpc.NewServer(), health.NewServer()
	healthpb.RegisterHealthServer(server, checks)
	checks.SetServingStatus("good", healthpb.HealthCheckResponse_SERVING)
	checks.SetServingStatus("bad", healthpb.HealthCheckResponse_NOT_SERVING)
	at := listen(t)
	go server.Serve(at) //nolint:errcheck // it ends with the test
	defer server.Stop()
	for service, want := range map[string]probe.Result{"good": probe.Success, "bad": probe.Failure} {
		result, output = judge(t, app("a"), corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: portOf(t, at.Addr().String()), Service: &service}})
		equal(t, "grpc "+service+" "+output, result, want)
	}
}

func TestHTTPHook(t *testing.T) {
	asked := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	c := app("a")
	// As with a kubelet any answer will do, and a server that speaks no TLS is asked without.
	for _, scheme := range []corev1.URIScheme{corev1.URISchemeHTTP, corev1.URISchemeHTTPS} {
		err := asker().hook(t.Context(), &c, "", &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: "/hook", Port: intstr.FromInt32(portOf(t, server.Listener.Addr().String())), Scheme: scheme,
		}})
		must(t, err)
		equal(t, "asked", <-asked, "/hook")
	}
}

func TestSleepHookEndsWithItsGracePeriod(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := app("a")
	err := asker().hook(ctx, &c, "", &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 3600}})
	equal(t, "error", err != nil && strings.HasSuffix(err.Error(), "container terminated before sleep hook finished"), true)
	must(t, asker().hook(t.Context(), &c, "", &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 0}}))
}

func TestCommandsOfProbesAreExpanded(t *testing.T) {
	env := []corev1.EnvVar{{Name: "FILE", Value: "/tmp/x"}, {Name: "SECRET", ValueFrom: &corev1.EnvVarSource{}}}
	equalAll(t, "command", expandStatic([]string{"cat", "$(FILE)", "$$(FILE)", "$(SECRET)"}, env), "cat", "/tmp/x", "$(FILE)", "$(SECRET)")
}
