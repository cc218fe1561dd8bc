package gateway

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"reflect"

	"k8s.io/apimachinery/pkg/runtime"
)

var errNoList = errors.New("an empty list is not encoded as expected")

// jsonMedia joins JSON as json.Marshal writes it.
type jsonMedia struct{}

func (jsonMedia) name() string { return runtime.ContentTypeJSON }

func (jsonMedia) item(o runtime.Object) ([]byte, error) { return json.Marshal(o) }

func (jsonMedia) joinable(list reflect.Type) bool {
	return list.Field(2).Tag.Get("json") == "items"
}

func (jsonMedia) join(w *bufio.Writer, empty []byte, next func() ([]packed, error)) error {
	end := []byte("]}\n")
	if !bytes.HasSuffix(empty, []byte(`"items":[]}`+"\n")) {
		return errNoList
	}
	begin := empty[:len(empty)-len(end)]
	var room []byte
	for first := true; ; first = false {
		parts, err := next()
		if err != nil {
			return err
		}
		if len(parts) == 0 {
			break
		}
		if first {
			_, _ = w.Write(begin) // a bufio.Writer keeps the first error for its Flush
		}
		for i, part := range parts {
			if !first || i > 0 {
				_ = w.WriteByte(',')
			}
			if room, err = part.writeTo(w, room); err != nil {
				return err
			}
		}
	}
	_, err := w.Write(end)
	return err
}

// protobufMedia joins protobuf messages: four bytes that say so, and a runtime.Unknown around a list, whose items
// are its field 2. A part is an item with its field's tag and length.
type protobufMedia struct{}

const itemsTag = 2<<3 | 2 // field 2, of a length that is given

var protobufMark = []byte{'k', '8', 's', 0}

func (protobufMedia) name() string { return runtime.ContentTypeProtobuf }

func (protobufMedia) item(o runtime.Object) ([]byte, error) {
	m, ok := o.(runtime.ProtobufReverseMarshaller)
	if !ok {
		return nil, errNoList
	}
	size := m.Size()
	var head [1 + binary.MaxVarintLen64]byte
	head[0] = itemsTag
	n := 1 + binary.PutUvarint(head[1:], uint64(size))
	part := make([]byte, n+size)
	copy(part, head[:n])
	wrote, err := m.MarshalToSizedBuffer(part[n:])
	if err == nil && wrote != size {
		err = io.ErrShortWrite
	}
	return part, err
}

func (protobufMedia) joinable(list reflect.Type) bool {
	item := reflect.PointerTo(list.Field(2).Type.Elem())
	return list.Field(0).Tag.Get("protobuf") == "" &&
		list.Field(1).Tag.Get("protobuf") == "bytes,1,opt,name=metadata" &&
		list.Field(2).Tag.Get("protobuf") == "bytes,2,rep,name=items" &&
		item.Implements(reflect.TypeFor[runtime.ProtobufReverseMarshaller]())
}

// join writes all at last, since the length of the whole comes first.
func (protobufMedia) join(w *bufio.Writer, empty []byte, next func() ([]packed, error)) error {
	list := runtime.Unknown{}
	if !bytes.HasPrefix(empty, protobufMark) {
		return errNoList
	}
	if err := list.Unmarshal(empty[len(protobufMark):]); err != nil {
		return err
	}
	all := []packed{{data: list.Raw, size: len(list.Raw)}} // the list's metadata
	size := len(list.Raw)
	for {
		parts, err := next()
		if err != nil {
			return err
		}
		if len(parts) == 0 {
			break
		}
		for _, part := range parts {
			size += part.size
		}
		all = append(all, parts...)
	}
	_, _ = w.Write(protobufMark)
	_, err := list.MarshalToWriter(w, size, func(w io.Writer) (int, error) {
		var room []byte
		for _, part := range all {
			var err error
			if room, err = part.writeTo(w, room); err != nil {
				return 0, err
			}
		}
		return size, nil
	})
	return err
}
