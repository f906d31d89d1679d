package verify

import (
	"fmt"
	"strings"
)

// maxFaults bounds the faults that are kept; the others are counted.
const maxFaults = 10

// Fault is one record or RRset that a validator would refuse.
type Fault struct {
	Owner  []byte // wire form
	Type   uint16 // 0: the name itself
	Reason string
}

func (f Fault) String() string {
	if f.Type == 0 {
		return nameString(f.Owner) + ": " + f.Reason
	}
	return nameString(f.Owner) + " " + typeString(f.Type) + ": " + f.Reason
}

// Error lists the faults of a zone.
type Error struct {
	Origin []byte // wire form
	Faults []Fault
	More   int // faults beyond those listed
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is not valid: ", nameString(e.Origin))
	for i, f := range e.Faults {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.String())
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "; and %d more", e.More)
	}
	return b.String()
}

// faults collects what is wrong.
type faults struct {
	list []Fault
	more int
}

func (f *faults) fault(owner []byte, typ uint16, format string, args ...any) {
	if len(f.list) == maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, Fault{append([]byte(nil), owner...), typ, fmt.Sprintf(format, args...)})
}

// err returns the collected faults as an error, or nil.
func (f *faults) err(origin []byte) error {
	if len(f.list) == 0 {
		return nil
	}
	return &Error{append([]byte(nil), origin...), f.list, f.more}
}
