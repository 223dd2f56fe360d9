package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/spf13/cobra"

	"github.com/postrider/postrider/internal/app"
	"github.com/postrider/postrider/internal/shadow"
)

// shadowBytes bounds the answer: a thousand samples of some sources.
const shadowBytes = 64 << 20

// newShadow is `postrider shadow`.
func newShadow(c *cli) *cobra.Command {
	admin, source, samples := "", "", 10
	cmd := &cobra.Command{
		Use:   "shadow",
		Short: "Show what the shadows of sources judge otherwise",
		Long: `Ask a running receiver what the shadows of its sources judge otherwise than the
live keys and mappings: how many requests, in which fields, and the latest of them.
Values that could tell whom an event is about are shown by their size and a
fingerprint that is the same for the same value. The admin API has to be on; the
first of admin.tokens is used.`,
		Example: `  postrider shadow
  postrider shadow --source mailer --samples 3
  postrider shadow --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.shadow(cmd.Context(), admin, source, samples) },
	}
	cmd.Flags().StringVar(&admin, "admin", "", "address of the admin listener (default: from the configuration)")
	cmd.Flags().StringVar(&source, "source", "", "only this source")
	cmd.Flags().IntVar(&samples, "samples", samples, "how many of the latest requests of a source to show")
	return cmd
}

// shadow shows what the receiver knows.
func (c *cli) shadow(ctx context.Context, admin, source string, samples int) error {
	if samples < 0 {
		return errors.New("shadow: --samples must not be negative")
	}
	reports, err := c.askShadow(ctx, admin, source)
	if err != nil {
		return fmt.Errorf("shadow: %w", err)
	}
	for i := range reports {
		all := reports[i].Samples
		reports[i].Samples = all[max(0, len(all)-samples):]
	}
	if c.json() {
		return json.NewEncoder(c.out).Encode(reports) //nolint:wrapcheck // standard output
	}
	if len(reports) == 0 {
		fmt.Fprintln(c.out, "no source has a shadow")
		return nil
	}
	for i := range reports {
		if err := c.printShadow(&reports[i]); err != nil {
			return err
		}
	}
	return nil
}

// askShadow asks the admin API.
func (c *cli) askShadow(ctx context.Context, admin, source string) ([]shadow.Report, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	if len(cfg.Admin.Tokens) == 0 {
		return nil, errors.New("the admin API is off: configure admin.tokens and restart the receiver")
	}
	if admin == "" {
		admin = "http://" + app.Reachable(cfg.Admin.Listen)
	}
	address := admin + "/api/v1/shadow"
	if source != "" {
		address += "?source=" + url.QueryEscape(source)
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("--admin: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+cfg.Admin.Tokens[0].Value.Reveal())
	res, err := healthClient(0).Do(req)
	if err != nil {
		return nil, fmt.Errorf("is the receiver running? %w", err)
	}
	defer res.Body.Close()
	return readShadows(res)
}

// readShadows reads the answer.
func readShadows(res *http.Response) ([]shadow.Report, error) {
	text, err := io.ReadAll(io.LimitReader(res.Body, shadowBytes))
	if err != nil {
		return nil, fmt.Errorf("the answer broke off: %w", err)
	}
	var answer struct {
		Error   string          `json:"error"`
		Shadows []shadow.Report `json:"shadows"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("status %d, and no JSON: is this the admin listener?", res.StatusCode)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", res.StatusCode, answer.Error)
	}
	return answer.Shadows, nil
}

// printShadow prints one source for a person.
func (c *cli) printShadow(r *shadow.Report) error {
	fmt.Fprintf(c.out, "%s, since %s: %s\n", r.Source, r.Since.UTC().Format(time.RFC3339), counts(r.Results))
	for _, p := range r.Proofs {
		fmt.Fprintf(c.out, "  live %s, shadow %s: %d\n", p.Live, p.Shadow, p.Count)
	}
	if len(r.Fields) > 0 {
		fmt.Fprintf(c.out, "  fields: %s\n", counts(r.Fields))
	}
	if len(r.Samples) == 0 {
		return nil
	}
	t := newTable(c, column{title: "AT"}, column{title: "RESULT"}, column{title: "ITEM"}, column{title: "FIELD"}, column{title: "LIVE"}, column{title: "SHADOW"})
	for i := range r.Samples {
		if err := c.printSample(t, &r.Samples[i]); err != nil {
			return err
		}
	}
	return nil
}

// printSample prints a row for each difference of a request.
func (c *cli) printSample(t *table, s *shadow.Sample) error {
	at, paint := s.At.UTC().Format(time.RFC3339), c.style.warn
	if s.Result == shadow.Failed {
		paint = c.style.bad
	}
	if s.Error != "" {
		if err := t.row(plain(at), cell{s.Result, paint}, plain(""), plain(""), plain(""), plain(s.Error)); err != nil {
			return err
		}
	}
	for _, d := range s.Differences {
		item := strconv.Itoa(d.Item)
		if d.Item < 0 {
			item = "-"
		}
		if err := t.row(plain(at), cell{s.Result, paint}, plain(item), plain(d.Field), plain(absent(d.Live)), plain(absent(d.Shadow))); err != nil {
			return err
		}
	}
	if s.More > 0 {
		return t.row(plain(at), cell{s.Result, paint}, plain(""), plain(fmt.Sprintf("%d more", s.More)))
	}
	return nil
}

// absent shows that there is no value.
func absent(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// counts lists figures by name, the largest first.
func counts(m map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if m[a] != m[b] {
			return int(m[b] - m[a])
		}
		return slices.Compare([]byte(a), []byte(b))
	})
	if len(names) == 0 {
		return "nothing compared yet"
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, m[name])
	}
	return strings.Join(names, ", ")
}
