package rollover

import (
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Plan is what a Step decided. The order in which it is carried out matters:
//
//  1. KeySet is stored, if Changed. Who loses the race loads again and takes
//     another Step: nothing has been shown yet.
//  2. Keys that it forgets are destroyed, keys that it asks for are made.
//  3. The zone is signed and served as KeySet says. When it is, Facts.Served
//     says so to the next Step.
type Plan struct {
	KeySet  KeySet
	Changed bool      // KeySet is not what was handed in
	Moves   []Move    // what changed, for logs and history
	Make    []Wanted  // keys to be made for the pool, then call again
	Wake    time.Time // when to call again if nothing happens before; zero: no need
	Reasons []Reason  // of every record of every key, in the order of KeySet, then of rolls that wait
}

// Move is a record of a key that went from one state to another, or a key that
// came or went.
type Move struct {
	Key      string
	Record   string // DNSKEY, KRRSIG, ZRRSIG or DS; "key" for the key itself
	From, To string // states; of a key: "", "in service", "retired", "removed", "forgotten"
	Why      string
}

// Wanted is a key that a roll waits for.
type Wanted struct {
	Role      policy.Role
	Algorithm policy.Algorithm
	Bits      int
}

// Reason says of a record where it is, what comes next, and what that waits for.
type Reason struct {
	Key     string // ID; empty for a roll that has not begun
	Tag     uint16
	Role    policy.Role
	Record  Record
	State   State
	Since   time.Time
	Goal    State
	Next    State     // equal to State when nothing is to come
	When    time.Time // earliest moment of Next; zero: it hangs on something else than time
	Waiting string    // for what; empty: for nothing
	Do      string    // what an operator has to do; empty: nothing
}
