package zone

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The stored form of a zone: a line that names the format, then entries, then
// the SHA-256 of all before it. Numbers are big endian.
//
//	entry   kind, length of body (4 octets), body
//	origin  the origin in wire form; first
//	record  owner length (1), owner, type (2), TTL (4), RDATA
//	end     empty; last
const encodeHead = "autosign zone 1\n"

const (
	entryOrigin = 'o'
	entryRecord = 'r'
	entryEnd    = 'e'
)

// ErrCorrupt says that stored records cannot be read back.
var ErrCorrupt = errors.New("stored zone is corrupt")

// Encode writes the zone in its stored form.
func (z *Zone) Encode(w io.Writer) error {
	sum := sha256.New()
	out := bufio.NewWriter(io.MultiWriter(w, sum))
	out.WriteString(encodeHead)
	writeEntry(out, entryOrigin, z.origin)
	body := make([]byte, 0, 4096)
	for r := range z.Records() {
		body = appendRecord(body[:0], r)
		writeEntry(out, entryRecord, body)
	}
	if p := z.Presigned; p != nil {
		for _, rd := range p.Keys {
			writeEntry(out, entryRecord, appendRecord(body[:0], Record{z.origin, TypeDNSKEY, p.TTL, rd}))
		}
		for _, rd := range p.RRSIGs {
			writeEntry(out, entryRecord, appendRecord(body[:0], Record{z.origin, TypeRRSIG, p.TTL, rd}))
		}
	}
	writeEntry(out, entryEnd, nil)
	if err := out.Flush(); err != nil { // a bufio.Writer keeps the first error
		return fmt.Errorf("storing zone %s: %w", Text(z.origin), err)
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return fmt.Errorf("storing zone %s: %w", Text(z.origin), err)
	}
	return nil
}

func writeEntry(out *bufio.Writer, kind byte, body []byte) {
	var head [5]byte
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(body)))
	out.Write(head[:])
	out.Write(body)
}

func appendRecord(dst []byte, r Record) []byte {
	dst = append(dst, byte(len(r.Owner)))
	dst = append(dst, r.Owner...)
	dst = binary.BigEndian.AppendUint16(dst, r.Type)
	dst = binary.BigEndian.AppendUint32(dst, r.TTL)
	return append(dst, r.RData...)
}

// Decode reads what Encode wrote. Damage is ErrCorrupt.
func Decode(r io.Reader) (*Zone, error) {
	sum := sha256.New()
	buffered := bufio.NewReader(r)
	in := io.TeeReader(buffered, sum)
	head := make([]byte, len(encodeHead))
	if _, err := io.ReadFull(in, head); err != nil || string(head) != encodeHead {
		return nil, fmt.Errorf("%w: not a zone of format 1", ErrCorrupt)
	}
	b, err := decodeEntries(in)
	if err != nil {
		return nil, err
	}
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(buffered, want); err != nil || !bytes.Equal(want, sum.Sum(nil)) {
		return nil, fmt.Errorf("%w: its checksum is wrong", ErrCorrupt)
	}
	z, _, err := b.Build(nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return z, nil
}

// maxEntry bounds an entry: owner, type, TTL and RDATA.
const maxEntry = 1 + MaxWire + 6 + 65535

func decodeEntries(in io.Reader) (b *Builder, err error) {
	var head [5]byte
	body := make([]byte, maxEntry)
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		n := binary.BigEndian.Uint32(head[1:])
		if n > maxEntry {
			return nil, fmt.Errorf("%w: an entry of %d octets", ErrCorrupt, n)
		}
		body := body[:n]
		if _, err := io.ReadFull(in, body); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		switch {
		case head[0] == entryOrigin && b == nil && ValidWire(body):
			b = NewBuilder(body)
		case head[0] == entryRecord && b != nil && n > 0 && len(body) >= 7+int(body[0]):
			owner, rest := body[1:1+int(body[0])], body[1+int(body[0]):]
			b.Add(owner, binary.BigEndian.Uint16(rest), 1, binary.BigEndian.Uint32(rest[2:]), rest[6:])
		case head[0] == entryEnd && b != nil:
			return b, nil
		default:
			return nil, fmt.Errorf("%w: a malformed entry", ErrCorrupt)
		}
	}
}
