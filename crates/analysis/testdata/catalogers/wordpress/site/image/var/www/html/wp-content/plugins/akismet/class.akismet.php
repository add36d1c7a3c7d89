<?php
class Akismet { const VERSION = '5.3'; }
