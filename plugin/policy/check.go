package policy

import (
	"fmt"
	"time"
)

// Fault is one rule that a policy breaks.
type Fault struct {
	Property string // the Corefile's word for the value to change
	Text     string
}

// Error returns the rule with its numbers.
func (f *Fault) Error() string { return f.Text }

func fault(property, format string, args ...any) error {
	return &Fault{Property: property, Text: fmt.Sprintf(format, args...)}
}

// Check returns what is wrong with the policy by itself, and what is unwise.
// Every element is a *Fault.
func (p Policy) Check() (faults, warnings []error) { return nil, nil }

// CheckZone returns what is unwise about the policy for a zone: soaExpire is
// the expire field of its SOA, maxTTL its longest TTL, transferred says that it
// is handed to secondaries (P20: they may outlive the signatures).
func (p Policy) CheckZone(soaExpire, maxTTL time.Duration, transferred bool) []error { return nil }
