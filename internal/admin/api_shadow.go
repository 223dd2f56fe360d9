package admin

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/postrider/postrider/internal/shadow"
)

// Shadows knows what shadows of sources judged otherwise; shadow.Runner is it.
type Shadows interface {
	Report() []shadow.Report
}

// shadow tells what is known of all shadows, or of the one of a source.
func (c *call) shadow() error {
	q, err := c.query("source")
	if err != nil {
		return err
	}
	if err := c.noBody(); err != nil {
		return err
	}
	reports := []shadow.Report{}
	if c.api.opt.Shadows != nil {
		reports = c.api.opt.Shadows.Report()
	}
	if name := q.Get("source"); name != "" {
		reports = slices.DeleteFunc(reports, func(r shadow.Report) bool { return r.Source != name })
		if len(reports) == 0 {
			return &problem{status: http.StatusNotFound, text: fmt.Sprintf("there is no source %q with a shadow", name)}
		}
	}
	writeJSON(c.answers(), http.StatusOK, map[string]any{"shadows": reports})
	return nil
}
