package main

import (
	"github.com/spf13/cobra"

	"github.com/postrider/postrider/schemas"
)

// newSchema is `postrider schema`.
func newSchema(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the canonical event",
		Long: `Print the JSON Schema (2020-12) of the canonical event, the value of every
record in the typed topics.`,
		Example:     `  postrider schema > event.v1.schema.json`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{textOnly: "a JSON Schema is JSON anyway"},
		RunE: func(*cobra.Command, []string) error {
			_, err := c.out.Write(schemas.Event())
			return err
		},
	}
}
