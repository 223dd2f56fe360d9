package sparkpost_test

import (
	"os"
	"strings"
	"testing"

	"github.com/postrider/postrider/internal/provider/providertest"
	"github.com/postrider/postrider/internal/provider/sparkpost"
	"github.com/postrider/postrider/pkg/event"
)

// Every bounce class of the page, on both types that have one, without a reply that
// would say more.
func TestBounceClasses(t *testing.T) {
	text, err := os.ReadFile("testdata/bounce_classes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	def := sparkpost.Definition()
	p, err := def.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")[1:] {
		c := strings.Split(line, "\t")
		for _, typ := range []string{"bounce", "out_of_band"} {
			body := `[{"msys":{"message_event":{"type":"` + typ + `","bounce_class":"` + c[0] + `"}}}]`
			e := providertest.Parse(t, def, p, []byte(body))[0].Event
			if e.Bounce == nil {
				e.Bounce = new(event.Bounce)
			}
			if string(e.Type) != c[2] || string(e.Bounce.Class) != c[3] || string(e.Bounce.Category) != c[4] || e.ProviderSubtype != c[0] {
				t.Errorf("%s %s (%s): %s %s %s, want %s", typ, c[0], c[1], e.Type, e.Bounce.Class, e.Bounce.Category, line)
			}
			if e.Type == event.Bounced && (e.Bounce.WillRetry == nil || *e.Bounce.WillRetry) {
				t.Errorf("%s %s: will be retried: %v, want false", typ, c[0], e.Bounce.WillRetry)
			}
		}
	}
}
