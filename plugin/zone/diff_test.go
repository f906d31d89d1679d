package zone

import (
	"fmt"
	"strings"
	"testing"
)

// In a zone of IPv6 addresses each name has empty non-terminals of its own
// above it: they are no names that anybody lost.
func TestCheckChange_EmptyNonTerminalsAreNotCounted(t *testing.T) {
	hosts := func(from int) string {
		var b strings.Builder
		for i := from; i < 200; i++ {
			fmt.Fprintf(&b, "%s%d PTR host\n", strings.Repeat("0.", 15), i)
		}
		return b.String()
	}
	old := mustBuild(t, hosts(0), nil)
	if err := CheckChange(old, mustBuild(t, hosts(20), nil), 50); err != nil {
		t.Errorf("20 of 200 names gone: %v", err)
	}
	err := CheckChange(old, mustBuild(t, hosts(120), nil), 50)
	if want := "120 of 201"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("120 of 200 names gone: got %v, want %q", err, want)
	}
}
