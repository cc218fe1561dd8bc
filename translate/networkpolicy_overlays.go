package translate

import (
	mathbits "math/bits"
	"slices"
)

// policyOverlay is an overlay and who is on it.
type policyOverlay struct {
	key      string
	internal bool
	members  bits
	groups   []*policyGroup // whose restricted members are on it
}

// policyPart is what joins an overlay as one: workloads of a group that the group's policies let talk to each
// other, or else a single one.
type policyPart struct {
	group   *policyGroup
	members bits
	unit    any    // the group, or the index of the single one
	key     string // of the home
}

// overlayPlan gathers the overlays; of are those that each unit is on.
type overlayPlan struct {
	*policyView
	all []*policyOverlay
	of  map[any][]*policyOverlay
}

// parts divides some workloads of a group.
func (p *overlayPlan) parts(g *policyGroup, of bits) []policyPart {
	var out []policyPart
	if together := of.and(g.both); !together.empty() {
		out = append(out, policyPart{group: g, members: together, unit: g, key: g.key})
	}
	of.minus(g.both).each(func(i int) {
		alone := newBits(len(p.workloads))
		alone.set(i)
		w := p.workloads[i]
		out = append(out, policyPart{group: g, members: alone, unit: i, key: w.Namespace + "__" + w.ID})
	})
	return out
}

func (p *overlayPlan) addHomes(g *policyGroup) {
	visitors := g.both.and(p.free)
	for _, a := range p.parts(g, g.members) {
		home := &policyOverlay{key: a.key, internal: g.egress != nil, members: slices.Clone(visitors)}
		p.all = append(p.all, home)
		p.join(home, a)
	}
}

// connect sees to it that two parts, of different groups, that may all talk share an overlay.
func (p *overlayPlan) connect(a, b policyPart) {
	if slices.ContainsFunc(p.of[a.unit], func(n *policyOverlay) bool { return a.members.within(n.members) && b.members.within(n.members) }) {
		return
	}
	for _, ends := range [][2]policyPart{{a, b}, {b, a}} {
		for _, n := range p.of[ends[0].unit] {
			if ends[0].members.within(n.members) && n.admits(ends[1]) {
				p.join(n, ends[1])
				return
			}
		}
	}
	n := &policyOverlay{key: a.key + "/" + b.key, internal: true, members: newBits(len(p.workloads))}
	p.all = append(p.all, n)
	p.join(n, a)
	p.join(n, b)
}

// admits tells whether a part may talk to all that are on an overlay, and none gets a way out by it.
func (n *policyOverlay) admits(a policyPart) bool {
	if a.group.egress != nil && !n.internal || !n.members.within(a.group.both) {
		return false
	}
	return !slices.ContainsFunc(n.groups, func(g *policyGroup) bool { return !a.members.within(g.both) })
}

func (p *overlayPlan) join(n *policyOverlay, a policyPart) {
	n.members.add(a.members)
	if !slices.Contains(n.groups, a.group) {
		n.groups = append(n.groups, a.group)
	}
	if !slices.Contains(p.of[a.unit], n) {
		p.of[a.unit] = append(p.of[a.unit], n)
	}
}

// bits is a set of small numbers, all sets of one view being of one length.
type bits []uint64

func newBits(n int) bits { return make(bits, (n+63)/64) }

func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b bits) add(o bits) {
	for i := range b {
		b[i] |= o[i]
	}
}

func (b bits) and(o bits) bits {
	out := slices.Clone(b)
	for i := range out {
		out[i] &= o[i]
	}
	return out
}

func (b bits) minus(o bits) bits {
	out := slices.Clone(b)
	for i := range out {
		out[i] &^= o[i]
	}
	return out
}

func (b bits) within(o bits) bool {
	for i := range b {
		if b[i]&^o[i] != 0 {
			return false
		}
	}
	return true
}

func (b bits) empty() bool { return !slices.ContainsFunc(b, func(w uint64) bool { return w != 0 }) }

func (b bits) count() int {
	n := 0
	for _, w := range b {
		n += mathbits.OnesCount64(w)
	}
	return n
}

func (b bits) each(do func(int)) {
	for at, w := range b {
		for ; w != 0; w &= w - 1 {
			do(at*64 + mathbits.TrailingZeros64(w))
		}
	}
}
