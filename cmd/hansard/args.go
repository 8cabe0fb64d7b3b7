package main

import "github.com/spf13/cobra"

// oneArg wants a single argument; what names it.
func oneArg(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usageError("say which %s", what)
		case len(args) > 1:
			return usageError("%s takes one %s, not %d", c.CommandPath(), what, len(args))
		}
		return nil
	}
}

// someArgs wants at least one argument.
func someArgs(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError("say which %s, one or more", what)
		}
		return nil
	}
}

// noArgs wants none.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError("%s takes no argument such as %q", c.CommandPath(), args[0])
	}
	return nil
}
