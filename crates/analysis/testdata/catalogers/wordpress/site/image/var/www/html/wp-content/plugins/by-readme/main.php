<?php /* Plugin Name: By Readme */
