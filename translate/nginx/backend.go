package nginx

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Target is one address that a backend has: a DNS name, which may mean several addresses and change them, or an IP.
// A name is whole, with or without a dot at its end.
type Target struct {
	Host string
	Port int32
	// Weight is the share of the connections that it gets; 0 for none.
	Weight int
}

// Backend is where connections go. One without a target that has weight has nobody to answer.
type Backend struct {
	Targets []Target
	// Affinity sends a client to the same target each time. It works when all hosts are IPs: of a name nginx learns
	// the addresses anew each time, in changing order.
	Affinity bool
}

// What a backend may have.
const (
	maxTargets = 1000
	maxWeight  = 1_000_000
	// upstreamScale is the highest weight in an upstream block: hash consistent keeps 160 points for each unit.
	upstreamScale = 100
)

// Check tells what Stream and HTTP would refuse.
func (b Backend) Check() error {
	if len(b.Targets) > maxTargets {
		return fmt.Errorf("has more than %d targets", maxTargets)
	}
	for _, t := range b.Targets {
		if err := checkPort(t.Port); err != nil {
			return fmt.Errorf("target %q: %w", t.Host, err)
		}
		if t.Weight < 0 || t.Weight > maxWeight {
			return fmt.Errorf("target %q: weight %d is not between 0 and %d", t.Host, t.Weight, maxWeight)
		}
		if ip, err := netip.ParseAddr(t.Host); err == nil && ip.Zone() == "" {
			continue
		}
		if !hostName.MatchString(strings.TrimSuffix(t.Host, ".")) || len(t.Host) > 253 {
			return fmt.Errorf("target %q is neither a DNS name nor an IP address", t.Host)
		}
	}
	return nil
}

// address is how nginx writes a target.
func (t Target) address() string {
	if strings.Contains(t.Host, ":") {
		return fmt.Sprintf("[%s]:%d", t.Host, t.Port)
	}
	return fmt.Sprintf("%s:%d", strings.TrimSuffix(t.Host, "."), t.Port)
}

func (t Target) isIP() bool {
	_, err := netip.ParseAddr(t.Host)
	return err == nil
}

// named says whether some of it that answers is a name.
func (b Backend) named() bool {
	return slices.ContainsFunc(b.Targets, func(t Target) bool { return t.Weight > 0 && !t.isIP() })
}

// backends are the blocks that a configuration's backends need, each written once, before all that uses them.
type backends struct {
	blocks writer
	// key is what split_clients draws by, and upstream what each upstream block has besides its servers.
	key, upstream string
	known         map[string]string
}

// value is what proxy_pass takes for a backend, perhaps a variable; "" when nobody is there to answer.
func (b *backends) value(backend Backend) (string, error) {
	if err := backend.Check(); err != nil {
		return "", err
	}
	targets := slices.DeleteFunc(slices.Clone(backend.Targets), func(t Target) bool { return t.Weight == 0 })
	allIP := !slices.ContainsFunc(targets, func(t Target) bool { return !t.isIP() })
	switch {
	case len(targets) == 0:
		return "", nil
	case len(targets) == 1 && !allIP:
		return targets[0].address(), nil
	}
	id := fmt.Sprint(targets, backend.Affinity && allIP)
	if value, ok := b.known[id]; ok {
		return value, nil
	}
	value := fmt.Sprintf("skep_%d", len(b.known)+1)
	if allIP {
		b.writeUpstream(value, targets, backend.Affinity)
	} else {
		value = "$" + value
		b.writeSplit(value, targets)
	}
	if b.known == nil {
		b.known = map[string]string{}
	}
	b.known[id] = value
	return value, nil
}

func (b *backends) writeUpstream(name string, targets []Target, affinity bool) {
	highest := slices.MaxFunc(targets, func(x, y Target) int { return x.Weight - y.Weight }).Weight
	b.blocks.block("upstream "+name, func() {
		if affinity {
			b.blocks.linef("hash $remote_addr consistent;")
		}
		for _, t := range targets {
			weight := t.Weight
			if highest > upstreamScale {
				weight = max(1, weight*upstreamScale/highest)
			}
			b.blocks.linef("server %s weight=%d;", t.address(), weight)
		}
		if b.upstream != "" {
			b.blocks.linef("%s", b.upstream)
		}
	})
}

// writeSplit draws a target by weight. Shares are in hundredths of a percent, none is 0, and the last, the greatest,
// is what the others leave.
func (b *backends) writeSplit(variable string, targets []Target) {
	targets = slices.Clone(targets)
	slices.SortStableFunc(targets, func(x, y Target) int { return x.Weight - y.Weight })
	total, left := 0, 10000
	for _, t := range targets {
		total += t.Weight
	}
	b.blocks.block(fmt.Sprintf("split_clients %q %s", b.key, variable), func() {
		for i, t := range targets[:len(targets)-1] {
			others := len(targets) - 1 - i
			share := max(1, min(t.Weight*10000/total, left-others))
			left -= share
			b.blocks.linef("%d.%02d%% %s;", share/100, share%100, t.address())
		}
		b.blocks.linef("* %s;", targets[len(targets)-1].address())
	})
}
