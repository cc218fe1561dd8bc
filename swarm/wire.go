package swarm

import (
	"slices"

	swarmapi "github.com/moby/swarmkit/v2/api"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// A task changes some eight times until it runs, and SwarmKit tells each time of all of it: of its spec, which never
// changes, of its service's labels, in which skep keeps objects, and of each of its networks in full. Read as
// they come, these would be most of what skep allocates. So what the mirror has, or never looks at, is cut out of
// a message before it is read. The numbers are those of swarmkit's api/watch.proto and api/objects.proto.

// cut tells by field number what is cut out of a message: the field, or with a cut something within it.
type cut map[protowire.Number]cut

// ofEveryTask is what nothing reads of a task.
var ofEveryTask = cut{
	8:  nil,                   // service_annotations
	11: {1: {4: nil, 5: nil}}, // networks: the network's driver_state, ipam
	12: nil,                   // endpoint
}

// ofKnownTask is that, and what the mirror has.
var ofKnownTask = cut{3: nil /* spec */, 8: ofEveryTask[8], 11: ofEveryTask[11], 12: ofEveryTask[12]}

// slimCodec is gRPC's codec for protobuf, for watches of which the messages are cut.
type slimCodec struct {
	encoding.CodecV2
	known func(task string) bool
}

func newSlimCodec(known func(task string) bool) slimCodec {
	return slimCodec{encoding.GetCodecV2(proto.Name), known}
}

// Unmarshal implements encoding.CodecV2.
func (c slimCodec) Unmarshal(data mem.BufferSlice, v any) error {
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	pool := mem.DefaultBufferPool()
	slim := pool.Get(whole.Len())
	*slim = c.message((*slim)[:0], whole.ReadOnlyData())
	buffer := mem.NewBuffer(slim, pool)
	defer buffer.Free()
	return c.CodecV2.Unmarshal(mem.BufferSlice{buffer}, v)
}

// message appends a WatchMessage without what is cut.
func (c slimCodec) message(out, in []byte) []byte {
	return within(out, in, []protowire.Number{1, 2, 4}, func(out, task []byte) []byte { // events, object, task
		if c.known(idOf(task)) {
			return ofKnownTask.from(out, task)
		}
		return ofEveryTask.from(out, task)
	})
}

// within appends a message in which the ones on a path of field numbers are rewritten.
func within(out, in []byte, path []protowire.Number, rewrite func(out, in []byte) []byte) []byte {
	if len(path) == 0 {
		return rewrite(out, in)
	}
	return rewritten(out, in, func(out []byte, number protowire.Number, value []byte) ([]byte, bool) {
		if number != path[0] {
			return out, false
		}
		return within(out, value, path[1:], rewrite), true
	})
}

// from appends a message without what is cut.
func (c cut) from(out, in []byte) []byte {
	return rewritten(out, in, func(out []byte, number protowire.Number, value []byte) ([]byte, bool) {
		inner, here := c[number]
		if !here || inner == nil {
			return out, here
		}
		return inner.from(out, value), true
	})
}

// rewritten appends a message. Of each field of bytes, change may append another value, or nothing, which leaves the
// field out; with false it stays as it is. What cannot be read stays as well, for whoever reads it to say so.
func rewritten(out, in []byte, change func(out []byte, number protowire.Number, value []byte) ([]byte, bool)) []byte {
	for len(in) > 0 {
		number, kind, head := protowire.ConsumeTag(in)
		if head < 0 {
			return append(out, in...)
		}
		size := protowire.ConsumeFieldValue(number, kind, in[head:])
		if size < 0 {
			return append(out, in...)
		}
		field := in[:head+size]
		in = in[head+size:]
		if kind != protowire.BytesType {
			out = append(out, field...)
			continue
		}
		value, _ := protowire.ConsumeBytes(field[head:])
		begin := len(out)
		changed, done := change(out, number, value)
		switch {
		case !done:
			out = append(out, field...)
		case len(changed) > begin:
			// Its length stands before it, and is known only now.
			prefix := protowire.AppendVarint(slices.Clone(field[:head]), uint64(len(changed)-begin))
			out = slices.Insert(changed, begin, prefix...)
		}
	}
	return out
}

// idOf is the ID of an object: its first field.
func idOf(object []byte) string {
	number, kind, head := protowire.ConsumeTag(object)
	if head < 0 || number != 1 || kind != protowire.BytesType {
		return ""
	}
	id, size := protowire.ConsumeBytes(object[head:])
	if size < 0 {
		return ""
	}
	return string(id)
}

// isCut says whether a task came without its spec: every spec says how the task runs.
func isCut(t *swarmapi.Task) bool { return t != nil && t.Spec.Runtime == nil }

// hasTask says whether the mirror holds a task.
func (m *Mirror) hasTask(id string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.task[id] != nil
}
