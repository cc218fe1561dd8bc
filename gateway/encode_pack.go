package gateway

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/s2"
)

const (
	// dictionaryBatch is how many encodings have to be new at once for a dictionary of their own.
	dictionaryBatch = 128
	// dictionaryBytes is how much of them goes into it. With the table that S2 makes of it, it takes twice that.
	dictionaryBytes = 32 << 10
)

// packed is an encoding as it is kept, compressed where that makes it smaller. Neither its maker nor its readers
// change its bytes.
type packed struct {
	data []byte
	dict dictionary // none: data is the encoding itself
	size int        // of the encoding
}

// dictionary is what encodings of one form have in common. Objects of one kind differ in little but names, addresses
// and times: 10,000 Pods are 24 MB of JSON and, less what they share with others, 2 MB. To put them together
// again takes a few milliseconds, where encoding them takes more than a hundred.
type dictionary struct {
	*s2.Dict
	share int64 // what each of those that it was made for has to take of its memory
}

// dictFor returns the dictionary for some of the encodings of a form that were made: one of their own for many, such as
// a long list's, which is ordered by name and so has those that are alike together; for few the last one.
func (e *encodings) dictFor(f form, made [][]byte, which []int) dictionary {
	if len(which) < dictionaryBatch {
		e.mu.RLock()
		defer e.mu.RUnlock()
		return e.dicts[f]
	}
	dict := dictionaryOf(made, which)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dicts[f] = dict
	return dict
}

// dictionaryOf takes samples at even distances.
func dictionaryOf(made [][]byte, which []int) dictionary {
	total := 0
	for _, n := range which {
		total += len(made[n])
	}
	step := total/dictionaryBytes + 1
	samples := make([]byte, 0, dictionaryBytes+16) // so S2 need not copy it
	for i := 0; i < len(which) && len(samples) < dictionaryBytes; i += step {
		sample := made[which[i]]
		samples = append(samples, sample[:min(len(sample), dictionaryBytes-len(samples))]...)
	}
	dict := s2.MakeDict(samples, nil)
	if dict == nil {
		return dictionary{}
	}
	return dictionary{dict, 2 * dictionaryBytes / int64(len(which))}
}

// packer compresses encodings by one dictionary.
type packer struct {
	dictionary
	small, whole []byte // room
}

// pack compresses an encoding when there is a dictionary and it helps. What is packed is unpacked at once, lest a
// fault there answered requests with anything else than was encoded.
func (p *packer) pack(data []byte) packed {
	asIs := packed{data: data, size: len(data)}
	if p.Dict == nil {
		return asIs
	}
	p.small = p.Encode(p.small[:cap(p.small)], data)
	if len(p.small) > len(data)*3/4 {
		return asIs
	}
	var err error
	if p.whole, err = p.Decode(p.whole[:cap(p.whole)], p.small); err != nil || !bytes.Equal(p.whole, data) {
		return asIs
	}
	return packed{data: bytes.Clone(p.small), dict: p.dictionary, size: len(data)}
}

// writeTo writes the encoding. The room that it needs for that is returned for the next.
func (p packed) writeTo(w io.Writer, room []byte) ([]byte, error) {
	if p.dict.Dict == nil {
		_, err := w.Write(p.data)
		return room, err
	}
	whole, err := p.dict.Decode(room[:cap(room)], p.data)
	if err != nil {
		return room, err
	}
	_, err = w.Write(whole)
	return whole, err
}
