"""The local web app over a store: answers.py says what, server.py to whom. Its pages are built from web/.

To add a question: a function in answers.py, and its name in QUESTIONS.
"""
