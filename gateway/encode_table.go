package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"reflect"
	"strconv"

	metainternalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/registry/rest"
)

// keepTables has Tables written by a tableSerializer. The handlers encode Tables of all resources by one exported
// variable of Kubernetes', whatever codecs a resource has; so that variable is replaced.
func keepTables(kept *encodings) {
	codecs := serializer.NewCodecFactory(metainternalscheme.Scheme)
	types := codecs.SupportedMediaTypes() // the factory's own slice
	for i := range types {
		if types[i].MediaType == runtime.ContentTypeJSON {
			types[i].Serializer = tableSerializer{types[i].Serializer, kept}
		}
	}
	metainternalscheme.Codecs = codecs
}

// tableSerializer writes Tables as Kubernetes' JSON serializer does, but what rows say of their objects' metadata is
// kept from list to list. Cells are made anew each time: some are ages.
type tableSerializer struct {
	runtime.Serializer
	kept *encodings
}

// Encode implements runtime.Encoder.
func (s tableSerializer) Encode(o runtime.Object, w io.Writer) error {
	table, ok := o.(*metav1.Table)
	if !ok || len(table.Rows) == 0 {
		return s.Serializer.Encode(o, w)
	}
	head := *table
	head.Rows = []metav1.TableRow{}
	var empty writtenBytes
	if err := s.Serializer.Encode(&head, &empty); err != nil {
		return err
	}
	end := []byte("]}\n")
	if !bytes.HasSuffix(empty, []byte(`"rows":[]}`+"\n")) {
		return s.Serializer.Encode(o, w)
	}
	out := writers.Get().(*bufio.Writer)
	out.Reset(w)
	defer func() {
		out.Reset(nil)
		writers.Put(out)
	}()
	_, _ = out.Write(empty[:len(empty)-len(end)]) // a bufio.Writer keeps the first error for its Flush
	if err := s.encodeRows(out, table.Rows); err != nil {
		return err
	}
	_, _ = out.Write(end)
	return out.Flush()
}

func (s tableSerializer) encodeRows(out *bufio.Writer, rows []metav1.TableRow) error {
	var line, room []byte
	for from := 0; from < len(rows); from += encodingBatch {
		some := rows[from:min(from+encodingBatch, len(rows))]
		objects, err := s.objects(some)
		if err != nil {
			return err
		}
		for i := range some {
			if from+i > 0 {
				_ = out.WriteByte(',')
			}
			if line, err = appendRow(line[:0], &some[i]); err != nil {
				return err
			}
			_, _ = out.Write(line)
			if room, err = objects[i].writeTo(out, room); err != nil {
				return err
			}
			_ = out.WriteByte('}')
		}
	}
	return nil
}

// objects are the JSON of rows' objects. They are all of one form: the handlers make all rows of a Table alike.
func (s tableSerializer) objects(rows []metav1.TableRow) ([]packed, error) {
	var f form
	ids := make([]identity, len(rows))
	for i := range rows {
		partial, ok := rows[i].Object.Object.(*metav1.PartialObjectMetadata)
		if !ok || rows[i].Object.Raw != nil || unkept(&rows[i]) {
			continue
		}
		f = formOf(formName{reflect.TypeFor[metav1.PartialObjectMetadata](), partial.APIVersion, runtime.ContentTypeJSON})
		ids[i] = s.kept.identify(partial, reflect.ValueOf(&partial.ObjectMeta).Elem(), f)
	}
	return s.kept.parts(f, ids, func(missing []int) ([][]byte, error) {
		made := make([][]byte, len(missing))
		for n, i := range missing {
			var err error
			var object any = rows[i].Object
			if ids[i].known {
				object = rows[i].Object.Object // the same, but a json.Marshaler's JSON is gone through twice
			}
			if made[n], err = json.Marshal(object); err != nil {
				return nil, err
			}
		}
		return made, nil
	})
}

// appendRow appends a row up to its object.
func appendRow(line []byte, row *metav1.TableRow) (_ []byte, err error) {
	line = append(line, `{"cells":`...)
	if row.Cells == nil {
		line = append(line, "null"...)
	} else {
		line = append(line, '[')
		for i, cell := range row.Cells {
			if i > 0 {
				line = append(line, ',')
			}
			if line, err = appendCell(line, cell); err != nil {
				return nil, err
			}
		}
		line = append(line, ']')
	}
	if len(row.Conditions) > 0 {
		conditions, err := json.Marshal(row.Conditions)
		if err != nil {
			return nil, err
		}
		line = append(append(line, `,"conditions":`...), conditions...)
	}
	return append(line, `,"object":`...), nil
}

// appendCell appends a cell as json.Marshal writes it; most are short strings and whole numbers.
func appendCell(line []byte, cell any) ([]byte, error) {
	switch c := cell.(type) {
	case string:
		if short, ok := appendPlain(line, c); ok {
			return short, nil
		}
	case int64:
		return strconv.AppendInt(line, c, 10), nil
	case int:
		return strconv.AppendInt(line, int64(c), 10), nil
	}
	data, err := json.Marshal(cell)
	return append(line, data...), err
}

// appendPlain appends a string of printable ASCII, false when it holds anything else.
func appendPlain(line []byte, s string) ([]byte, bool) {
	line = append(line, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '<': // as in <none>, which most rows have
			line = append(line, `\u003c`...)
		case c == '>':
			line = append(line, `\u003e`...)
		case c < ' ' || c > '~' || c == '"' || c == '\\' || c == '&':
			return nil, false
		default:
			line = append(line, c)
		}
	}
	return append(line, '"'), true
}

// unkeptRows has nothing kept of its Tables: kubectl writes what was applied into an annotation, of a Secret too.
// The handlers leave nothing of a row's origin to the serializer but what is written, so an empty list of
// conditions, which is not, says it.
type unkeptRows struct {
	rest.TableConvertor
}

// ConvertToTable implements rest.TableConvertor.
func (u unkeptRows) ConvertToTable(ctx context.Context, object, options runtime.Object) (*metav1.Table, error) {
	table, err := u.TableConvertor.ConvertToTable(ctx, object, options)
	if err != nil {
		return nil, err
	}
	for i := range table.Rows {
		if table.Rows[i].Conditions == nil {
			table.Rows[i].Conditions = []metav1.TableRowCondition{}
		}
	}
	return table, nil
}

func unkept(row *metav1.TableRow) bool { return row.Conditions != nil && len(row.Conditions) == 0 }
