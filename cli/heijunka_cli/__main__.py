"""`python -m heijunka_cli`: the `heijunka` command of this very Python."""

from heijunka_cli.main import main

if __name__ == "__main__":
    main()
