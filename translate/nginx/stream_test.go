package nginx

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

var streamSeed = StreamConfig{Resolver: "127.0.0.11", Listeners: []Listener{
	{Name: "default/web:80", Port: 30080, Backend: Backend{Targets: []Target{{"tasks.default_web", 8080, 1}}}},
	{Name: "default/two:80", Port: 30081, Backend: Backend{Targets: []Target{{"tasks.a", 1, 3}, {"tasks.b", 2, 1}, {"tasks.c", 2, 0}}}},
	{Name: "default/dns:53", Port: 30053, UDP: true, Backend: Backend{Targets: []Target{{"tasks.dns", 53, 1}}}},
	{Name: "default/dns:53", Port: 30053, Backend: Backend{Targets: []Target{{"tasks.dns", 53, 1}}}},
	{Name: "default/hand-made", Port: 30082, Backend: Backend{Targets: []Target{{"10.0.0.1", 80, 5000}, {"fd00::1", 80, 1}}, Affinity: true}},
	{Name: "default/mixed", Port: 30083, Backend: Backend{Targets: []Target{{"10.0.0.1", 80, 1}, {"fd00::1", 80, 1}, {"web.example.", 80, 1}}, Affinity: true}},
	{Name: "default/nobody", Port: 30084},
	{Name: "default/nobody", Port: 30084, UDP: true},
}}

func TestStreamAccepted(t *testing.T) {
	config, err := Stream(streamSeed)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(config)
	mustAccept(t, config)
}

func TestStreamEmpty(t *testing.T) {
	config, err := Stream(StreamConfig{Resolver: "127.0.0.11:53"})
	if err != nil {
		t.Fatal(err)
	}
	mustAccept(t, config)
}

func TestStreamRefused(t *testing.T) {
	web := Backend{Targets: []Target{{"web", 80, 1}}}
	for _, c := range []struct {
		name string
		StreamConfig
		want string
	}{
		{"port", StreamConfig{"127.0.0.11", []Listener{{Port: 65536, Backend: web}}}, "not between"},
		{"port twice", StreamConfig{"127.0.0.11", []Listener{{Port: 1}, {Port: 1}}}, "is taken"},
		{"name", StreamConfig{"127.0.0.11", []Listener{{Name: "a\n}", Port: 1}}}, "control character"},
		{"host", StreamConfig{"127.0.0.11", []Listener{{Port: 1, Backend: Backend{Targets: []Target{{"a;b", 1, 1}}}}}}, "neither a DNS name"},
		{"socket", StreamConfig{"127.0.0.11", []Listener{{Port: 1, Backend: Backend{Targets: []Target{{"unix:/x", 1, 1}}}}}}, "neither a DNS name"},
		{"zone", StreamConfig{"127.0.0.11", []Listener{{Port: 1, Backend: Backend{Targets: []Target{{"fe80::1%eth0; }", 1, 1}}}}}}, "neither a DNS name"},
		{"weight", StreamConfig{"127.0.0.11", []Listener{{Port: 1, Backend: Backend{Targets: []Target{{"a", 1, -1}}}}}}, "weight"},
		{"resolver", StreamConfig{"dns; }", nil}, "resolver"},
	} {
		if _, err := Stream(c.StreamConfig); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// TestSplitShares holds for any weights that no share is 0 and the sum is at most 100: nginx refuses the rest.
func TestSplitShares(t *testing.T) {
	many := []Target{{"giant", 1, maxWeight}}
	for i := range maxTargets - 1 {
		many = append(many, Target{fmt.Sprintf("t%d", i), 1, 1 + i%3})
	}
	c := StreamConfig{Resolver: "127.0.0.11"}
	for i, targets := range [][]Target{many, many[1:], {{"a", 1, 1}, {"b", 1, maxWeight}}, {{"a", 1, 20}, {"b", 1, 80}}, {{"a", 1, 1}, {"b", 1, 1}, {"c", 1, 1}}} {
		c.Listeners = append(c.Listeners, Listener{Port: int32(i + 1), Backend: Backend{Targets: targets}})
	}
	config, err := Stream(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"20.00% a:1;\n        * b:1;", "33.33% a:1;\n        33.33% b:1;\n        * c:1;"} {
		if !strings.Contains(config, want) {
			t.Errorf("no %q", want)
		}
	}
	mustAccept(t, config)
}

// echoAs answers each connection with a name.
func echoAs(t *testing.T, address, name string) int32 {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, name)
			_ = c.Close()
		}
	}()
	return portOf(l.Addr())
}

func ask(t *testing.T, port int32) string {
	t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	answer, _ := io.ReadAll(c)
	return string(answer)
}

func TestStreamRuns(t *testing.T) {
	needNginx(t)
	a, b := echoAs(t, "127.0.0.1:0", "a"), echoAs(t, "127.0.0.1:0", "b")
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = packets.Close() }()
	go func() {
		buf := make([]byte, 100)
		for {
			n, from, err := packets.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = packets.WriteTo(append([]byte("got "), buf[:n]...), from)
		}
	}()
	// Nobody listens at 127.0.0.9: nginx goes on to the next address.
	dns := names{"tasks.a": {"127.0.0.9", "127.0.0.1"}, "tasks.b": {"127.0.0.1"}}
	ports := make([]int32, 7)
	for i := range ports {
		ports[i] = freePort(t)
	}
	to := func(targets ...Target) Backend { return Backend{Targets: targets} }
	config, err := Stream(StreamConfig{Resolver: dns.serve(t), Listeners: []Listener{
		{Port: ports[0], Backend: to(Target{"tasks.a", a, 1})},
		{Port: ports[1], Backend: to(Target{"tasks.a", a, 1}, Target{"tasks.b", b, 1})},
		{Port: ports[2]},
		{Port: ports[3], Backend: to(Target{"tasks.gone", a, 1})},
		{Port: ports[4], UDP: true, Backend: to(Target{"tasks.b", portOf(packets.LocalAddr()), 1})},
		{Port: ports[5], Backend: Backend{Targets: []Target{{"127.0.0.1", a, 1}, {"127.0.0.1", b, 1}}, Affinity: true}},
		{Port: ports[6], UDP: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, config, ports[0])
	seen, sticky := map[string]int{}, map[string]int{}
	for range 40 {
		if got := ask(t, ports[0]); got != "a" {
			t.Fatalf("one name: %q", got)
		}
		seen[ask(t, ports[1])]++
		sticky[ask(t, ports[5])]++
	}
	if seen["a"] < 5 || seen["b"] < 5 || seen["a"]+seen["b"] != 40 {
		t.Errorf("two names: %v", seen)
	}
	if len(sticky) != 1 {
		t.Errorf("affinity: %v", sticky)
	}
	if got := ask(t, ports[2]) + ask(t, ports[3]); got != "" {
		t.Errorf("nobody: %q", got)
	}
	c, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", ports[4]))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	for i := range 3 {
		fmt.Fprintf(c, "%d", i)
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		if err != nil || string(buf[:n]) != fmt.Sprintf("got %d", i) {
			t.Errorf("udp: %q, %v", buf[:n], err)
		}
	}
}

func FuzzStream(f *testing.F) {
	f.Add("127.0.0.11", "default/web", "tasks.web", "10.0.0.1", int32(80), 1, false)
	f.Add("127.0.0.11:53", "a;}\n", "a b", "::1", int32(0), -1, true)
	f.Add("1", "${x}", "$x", "unix:/", int32(65535), 1<<40, true)
	f.Fuzz(func(t *testing.T, resolver, name, host, other string, port int32, weight int, udp bool) {
		config, err := Stream(StreamConfig{resolver, []Listener{
			{Name: name, Port: port, UDP: udp, Backend: Backend{[]Target{{host, port, weight}, {other, port, 1}}, udp}},
		}})
		if err != nil {
			return
		}
		checkBalance(t, config)
		accepted(t, config)
	})
}
