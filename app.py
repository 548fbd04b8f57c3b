"""The page: ``streamlit run app.py``, or ``crowdwatch ui``.

It reads the store that ``CROWDWATCH_STORE`` names (default ``sqlite:///runs/crowdwatch.sqlite``) and writes nothing but
commands: it opens no camera and runs no model. The pages are functions in ``crowdwatch/ui``.
"""

from crowdwatch.ui.app import main

if __name__ == "__main__":
    main()
