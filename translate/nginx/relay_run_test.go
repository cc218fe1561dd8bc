package nginx

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRelay has a stream proxy stand before the HTTP one: who calls, and at which port, is known behind both.
func TestRelay(t *testing.T) {
	s := newSite(t)
	s.config.RelayHTTPPort, s.config.RelayHTTPSPort = freePort(t), freePort(t)
	s.config.Servers = []Server{{Host: "example.com", Certificate: certificate(t, "example.com"), Locations: []Location{{Path: "/", Match: Prefix, Backend: s.backend("web")}}}}
	s.start()
	s.dns.set("tasks.proxy", "127.0.0.1")
	front := StreamConfig{Resolver: s.config.Resolver}
	ports := map[string]int32{"http": s.config.RelayHTTPPort, "https": s.config.RelayHTTPSPort}
	at := map[string]int32{}
	for scheme, port := range ports {
		at[scheme] = freePort(t)
		front.Listeners = append(front.Listeners, Listener{Port: at[scheme], SendProxy: true, Backend: Backend{Targets: []Target{{"tasks.proxy", port, 1}}}})
	}
	config, err := Stream(front)
	if err != nil {
		t.Fatal(err)
	}
	run(t, config, at["http"])
	for scheme, outside := range map[string]int32{"http": s.config.HTTPPort, "https": s.config.HTTPSPort} {
		client := s.client()
		client.Timeout = 5 * time.Second
		client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
			return from.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", at[scheme]))
		}
		resp, err := client.Get(scheme + "://example.com/")
		if err != nil {
			t.Errorf("%s: %v", scheme, err)
			continue
		}
		body := make([]byte, 200)
		n, _ := resp.Body.Read(body)
		_ = resp.Body.Close()
		if got, want := string(body[:n]), fmt.Sprintf("for=127.0.0.9 proto=%s port=%d", scheme, outside); !strings.Contains(got, want) {
			t.Errorf("%s: the backend was told %q, without %q", scheme, got, want)
		}
	}
}
