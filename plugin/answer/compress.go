package answer

// names remembers where names stand in a message, so that later ones can point
// there (RFC 1035 section 4.1.4). It is a tree: each entry is a label whose
// parent is the label after it. Once it is full, names only point at what is
// already known.
type names struct {
	n    int
	list [maxNames]label
}

type label struct {
	off  uint16 // of the label's length octet, from the start of the message
	up   uint8  // number of the label after it plus one, 0: the root
	size uint8  // of the label
	head uint8  // its first octet, in lower case
}

const (
	maxNames   = 128
	maxPointer = 0x3fff // the highest offset a pointer can hold
	maxLabels  = 128
)

// name appends a name in wire form, compressed, and returns where it stands in
// the message: its own offset or the one it points at, 0 for the root.
func (m *message) name(wire []byte) (at uint16) {
	var offs [maxLabels]uint8
	n := 0
	for off := 0; wire[off] != 0; off += int(wire[off]) + 1 {
		offs[n] = uint8(off)
		n++
	}
	up := uint8(0)
	for ; n > 0; n-- {
		k := m.child(up, wire[offs[n-1]:])
		if k == 0 {
			break
		}
		up = k
	}
	start := len(m.buf) - m.base
	if n > 0 {
		m.buf = append(m.buf, wire[:int(offs[n-1])+1+int(wire[offs[n-1]])]...)
	}
	m.pointer(up)
	if n == 0 && up != 0 {
		return m.names.list[up-1].off
	}
	if n == 0 {
		return 0
	}
	for ; n > 0; n-- {
		off := offs[n-1]
		if up = m.remember(up, start+int(off), wire[off:]); up == 0 {
			break
		}
	}
	if start > maxPointer {
		return 0
	}
	return uint16(start)
}

// pointer appends a pointer to a known label, or the root label.
func (m *message) pointer(known uint8) {
	if known == 0 {
		m.buf = append(m.buf, 0)
		return
	}
	off := m.names.list[known-1].off
	m.buf = append(m.buf, 0xc0|byte(off>>8), byte(off))
}

// child returns the number plus one of the label below up that is equal, but
// for case, to the one at the front of wire; 0 when there is none.
func (m *message) child(up uint8, wire []byte) uint8 {
	size, head := wire[0], lower(wire[1])
next:
	for k := range m.names.n {
		l := &m.names.list[k]
		if l.up != up || l.size != size || l.head != head {
			continue
		}
		known := m.buf[m.base+int(l.off)+1:]
		for i := range int(size) {
			if c := wire[i+1]; known[i] != c && lower(known[i]) != lower(c) {
				continue next
			}
		}
		return uint8(k + 1)
	}
	return 0
}

// remember adds the label at the front of wire, which stands at off in the
// message, below the label up. It returns 0 when it could not.
func (m *message) remember(up uint8, off int, wire []byte) uint8 {
	if m.names.n == maxNames || off > maxPointer {
		return 0
	}
	m.names.list[m.names.n] = label{uint16(off), up, wire[0], lower(wire[1])}
	m.names.n++
	return uint8(m.names.n)
}

// lower returns an octet in lower case (RFC 4343).
func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}
